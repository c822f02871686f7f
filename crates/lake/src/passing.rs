//! Which rows of the tail may meet a query's conditions, by the columns as they are kept: most of a tail is then neither unpacked nor copied. Pure.

use crate::filter::{Filter, FilterOperator, exact};
use crate::pack::PackedBatch;
use arrow::array::{ArrayRef, BooleanArray, Scalar};
use arrow::compute::kernels::{boolean, cmp};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

/// A longer IN list costs more than the rows that it would leave out.
const IN_VALUES_MAX: usize = 8;

/// The conditions of a scan that can be looked up in the tail.
#[derive(Debug)]
pub(crate) struct TailFilter {
    conditions: Vec<TailCondition>,
}

#[derive(Debug)]
struct TailCondition {
    column: usize,
    operator: FilterOperator,
    /// One value each, in the column's type; of IN several, of which one is enough.
    values: Vec<Scalar<ArrayRef>>,
    data_type: DataType,
}

impl TailFilter {
    /// What this code does not know (decimals, which are packed, and doubles, whose zeros and NaNs are not one each) is left to the caller.
    pub(crate) fn new(filters: &[Filter], schema: &Schema) -> TailFilter {
        TailFilter { conditions: filters.iter().filter_map(|filter| TailCondition::of(filter, schema)).collect() }
    }

    /// A mask of the rows that may pass; None if all of them may.
    pub(crate) fn passing(&self, batch: &PackedBatch) -> Result<Option<BooleanArray>, ArrowError> {
        let mut passing: Option<BooleanArray> = None;
        for condition in &self.conditions {
            let Some(met) = condition.met(batch)? else { continue };
            let both = match &passing {
                Some(passing) => boolean::and(passing, &met)?,
                None => met,
            };
            if both.true_count() == 0 {
                return Ok(Some(both));
            }
            passing = Some(both);
        }
        Ok(passing.filter(|mask| mask.true_count() < batch.num_rows()))
    }
}

impl TailCondition {
    fn of(filter: &Filter, schema: &Schema) -> Option<TailCondition> {
        use DataType::{Date32, Int8, Int16, Int32, Int64, Timestamp, Utf8};
        let data_type = schema.fields().get(filter.column)?.data_type().clone();
        let is_known = matches!(data_type, Utf8 | Int8 | Int16 | Int32 | Int64 | Date32 | Timestamp(_, _));
        let values = exact(filter.values.as_ref().filter(|_| is_known)?, &data_type)?;
        let count_max = if filter.operator == FilterOperator::In { IN_VALUES_MAX } else { 1 };
        if !(1..=count_max).contains(&values.len()) {
            return None;
        }
        let values = (0..values.len()).map(|place| Scalar::new(values.slice(place, 1))).collect();
        Some(TailCondition { column: filter.column, operator: filter.operator, values, data_type })
    }

    /// Which rows meet it; None if it says nothing of them.
    fn met(&self, batch: &PackedBatch) -> Result<Option<BooleanArray>, ArrowError> {
        use FilterOperator::{Equal, Greater, GreaterOrEqual, In, IsNotNull, IsNull, Less, LessOrEqual};
        let kept = batch.packed_column(self.column).filter(|column| *column.data_type() == self.data_type);
        let Some(column) = kept else { return Ok(None) };
        let mut met: Option<BooleanArray> = None;
        for value in &self.values {
            let of_value = match self.operator {
                Equal | In => cmp::eq(column, value),
                Less => cmp::lt(column, value),
                LessOrEqual => cmp::lt_eq(column, value),
                Greater => cmp::gt(column, value),
                GreaterOrEqual => cmp::gt_eq(column, value),
                IsNull | IsNotNull => return Ok(None),
            }?;
            met = Some(match &met {
                Some(met) => boolean::or(met, &of_value)?,
                None => of_value,
            });
        }
        Ok(met)
    }
}
