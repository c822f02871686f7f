//! `first_value` and `last_value` of a column ordered by one or two instants or integers, as every bar and every last price is asked for.
//!
//! In all other cases they are DataFusion's. Its own keep an allocation for each group and look at all groups for every batch: bars of a minute of
//! 200 markets over a day are 288,000 groups and a thousand batches. Which of several rows with the same place is taken is as there: the first seen.

mod places;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBufferBuilder, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal128Type, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType,
};
use datafusion::common::{Result, internal_err};
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use places::{Place, Places};
use std::sync::Arc;

/// In place of DataFusion's functions of these names.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for end in [End::First, End::Last] {
        registry.register_udaf(Arc::new(Extreme::of(end)))?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    First,
    Last,
}

/// DataFusion's function with another accumulator for groups.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    end: End,
    inner: AggregateUDF,
}

impl Extreme {
    fn of(end: End) -> AggregateUDF {
        let inner = match end {
            End::First => first_value_udaf(),
            End::Last => last_value_udaf(),
        };
        AggregateUDF::from(Extreme { end, inner: AggregateUDF::clone(&inner) })
    }
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match of_values(self.end, &arguments)? {
            Some(ours) => Ok(ours),
            None => self.inner.create_groups_accumulator(arguments),
        }
    }

    fn with_beneficial_ordering(self: Arc<Self>, is_ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let end = self.end;
        let inner = self.inner.clone().with_beneficial_ordering(is_ordered)?;
        Ok(inner.map(|inner| Arc::new(Extreme { end, inner }) as Arc<dyn AggregateUDFImpl>))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        let other = match self.end {
            End::First => End::Last,
            End::Last => End::First,
        };
        ReversedUDAF::Reversed(Arc::new(Extreme::of(other)))
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// None for a column or an order that DataFusion's accumulator has to take.
fn of_values(end: End, arguments: &AccumulatorArgs<'_>) -> Result<Option<Box<dyn GroupsAccumulator>>> {
    match arguments.return_field.data_type() {
        DataType::Decimal128(_, _) => of_order::<Decimal128Type>(end, arguments),
        DataType::Int64 => of_order::<Int64Type>(end, arguments),
        DataType::Float64 => of_order::<Float64Type>(end, arguments),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of_order::<TimestampMillisecondType>(end, arguments),
        _ => Ok(None),
    }
}

fn of_order<T: ArrowPrimitiveType>(
    end: End,
    arguments: &AccumulatorArgs<'_>,
) -> Result<Option<Box<dyn GroupsAccumulator>>> {
    let mut order = Vec::new();
    for by in arguments.order_bys {
        let Some(places) = Places::of(by.expr.data_type(arguments.schema)?, by.options) else { return Ok(None) };
        order.push(places);
    }
    Ok(match order.len() {
        1 => Some(Box::new(Extremes::<T, 1>::new(end, arguments, order))),
        2 => Some(Box::new(Extremes::<T, 2>::new(end, arguments, order))),
        _ => None,
    })
}

/// Of each group the value whose row comes first, or last, by `N` columns.
struct Extremes<T: ArrowPrimitiveType, const N: usize> {
    end: End,
    ignores_nulls: bool,
    data_type: DataType,
    order: Vec<Places>,
    values: Vec<T::Native>,
    /// Whether a value is one, not NULL.
    valid: Vec<bool>,
    /// Where the value's row is in the order; None before a group's first row.
    places: Vec<Option<[Place; N]>>,
}

impl<T: ArrowPrimitiveType, const N: usize> Extremes<T, N> {
    fn new(end: End, arguments: &AccumulatorArgs<'_>, order: Vec<Places>) -> Extremes<T, N> {
        Extremes {
            end,
            ignores_nulls: arguments.ignore_nulls,
            data_type: arguments.return_field.data_type().clone(),
            order,
            values: Vec::new(),
            valid: Vec::new(),
            places: Vec::new(),
        }
    }

    /// `columns`: the values, then those that give the order. `is_wanted`: rows that count.
    fn take_rows(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        is_wanted: impl Fn(usize) -> bool,
        groups_total: usize,
    ) -> Result<()> {
        self.values.resize(groups_total, T::default_value());
        self.valid.resize(groups_total, false);
        self.places.resize(groups_total, None);
        let [values, by @ ..] = columns else { return internal_err!("first_value without a column") };
        let Some(values) = values.as_primitive_opt::<T>() else {
            return internal_err!("first_value of {} where {} is expected", values.data_type(), self.data_type);
        };
        let by: Option<Vec<_>> = self.order.iter().zip(by).map(|(places, column)| places.read(column)).collect();
        let Some(by) = by.and_then(|by| <[_; N]>::try_from(by).ok()) else {
            return internal_err!("first_value ordered by other columns than it was planned with");
        };
        for (row, group) in groups.iter().enumerate() {
            let is_valid = values.is_valid(row);
            if !is_wanted(row) || self.ignores_nulls && !is_valid {
                continue;
            }
            let place = std::array::from_fn(|column| by[column].place(row));
            let is_better = self.places[*group].is_none_or(|known| match self.end {
                End::First => place < known,
                End::Last => place > known,
            });
            if is_better {
                self.places[*group] = Some(place);
                self.values[*group] = values.value(row);
                self.valid[*group] = is_valid;
            }
        }
        Ok(())
    }

    fn take_values(&mut self, emit: EmitTo) -> ArrayRef {
        let values = emit.take_needed(&mut self.values);
        let valid = NullBuffer::from(emit.take_needed(&mut self.valid));
        let values = PrimitiveArray::<T>::new(values.into(), Some(valid));
        Arc::new(values.with_data_type(self.data_type.clone()))
    }
}

impl<T: ArrowPrimitiveType, const N: usize> GroupsAccumulator for Extremes<T, N> {
    fn update_batch(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        match filter {
            None => self.take_rows(columns, groups, |_| true, groups_total),
            Some(filter) => {
                let is_wanted = |row| filter.is_valid(row) && filter.value(row);
                self.take_rows(columns, groups, is_wanted, groups_total)
            }
        }
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        drop(emit.take_needed(&mut self.places));
        Ok(self.take_values(emit))
    }

    /// As [`Extreme::state_fields`] says: the value, what it is ordered by, and whether there was a row.
    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let places = emit.take_needed(&mut self.places);
        let mut state = vec![self.take_values(emit)];
        for (column, order) in self.order.iter().enumerate() {
            state.push(order.write(places.iter().map(|place| place.map(|place| place[column]))));
        }
        let mut is_set = BooleanBufferBuilder::new(places.len());
        places.iter().for_each(|place| is_set.append(place.is_some()));
        state.push(Arc::new(BooleanArray::new(is_set.finish(), None)));
        Ok(state)
    }

    fn merge_batch(
        &mut self,
        state: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        let Some((is_set, columns)) = state.split_last() else { return internal_err!("first_value without a state") };
        let Some(is_set) = is_set.as_boolean_opt() else {
            return internal_err!("first_value's state ends with {}", is_set.data_type());
        };
        let is_wanted = |row| {
            let passes = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            passes && is_set.is_valid(row) && is_set.value(row)
        };
        self.take_rows(columns, groups, is_wanted, groups_total)
    }

    fn convert_to_state(&self, columns: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let Some(first) = columns.first() else { return internal_err!("first_value without a column") };
        let is_set = match filter {
            None => BooleanArray::from(vec![true; first.len()]),
            Some(filter) => filter.iter().map(|passes| Some(passes == Some(true))).collect(),
        };
        Ok(columns.iter().cloned().chain([Arc::new(is_set) as ArrayRef]).collect())
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>()
            + self.valid.capacity()
            + self.places.capacity() * size_of::<Option<[Place; N]>>()
    }
}

#[cfg(test)]
mod tests;
