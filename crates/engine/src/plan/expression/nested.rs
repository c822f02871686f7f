//! ARRAY and ROW: made, and looked into. An element is counted from 1; outside the array it is NULL.

use super::binder::{Bind, Binder};
use super::call::{Call, call};
use super::condition::least_type;
use super::types::{describe, is_integer, physical_type};
use super::{Bound, Session, cast};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{interleave, nullif, take};
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Subscript};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, RowField, SqlType, did_you_mean};
use std::sync::Arc;

/// In front of a field's name: how its function is called.
const FIELD: char = '.';

pub(super) fn access(binder: &mut Binder<'_>, bound: Bound, access: &AccessExpr, span: Span) -> Bind {
    match access {
        AccessExpr::Dot(Expr::Identifier(name)) => field(bound, name),
        AccessExpr::Dot(_) => Err(super::binder::flink_only("this kind of access", span)),
        AccessExpr::Subscript(Subscript::Index { index }) => {
            let position = binder.value(index)?;
            element(bound, position, binder.session, binder.place(index))
        }
        AccessExpr::Subscript(Subscript::Slice { .. }) => Err(super::binder::flink_only("a slice of an array", span)),
    }
}

/// A field of a ROW.
pub(super) fn field(bound: Bound, name: &Ident) -> Bind {
    let DataType::Row(fields) = &bound.data_type else {
        let message = format!("{} has no fields, and .{} asks for one", describe(&bound.data_type), name.value);
        return Err(Mistake::new(name.span, message));
    };
    let Some(index) = fields.iter().position(|field| field.name == name.value) else {
        let hint = did_you_mean(&name.value, fields.iter().map(|field| field.name.as_str()));
        let message = format!("field \"{}\" does not exist in {}", name.value, describe(&bound.data_type));
        return Err(Mistake { hint, ..Mistake::new(name.span, message) });
    };
    let SqlType { data_type, nullable } = fields[index].sql_type.clone();
    let nullable = nullable || bound.nullable;
    let field = name.value.clone();
    let expr = call(format!("{FIELD}{field}"), vec![bound.expr], physical_type(&data_type), move |arguments| {
        // by its name: a source gives only the fields that are read
        match arguments[0].as_struct().column_by_name(&field) {
            Some(column) => Ok(where_row_is(arguments[0].nulls(), column)?),
            None => internal_err!("a row without the field \"{field}\""),
        }
    });
    Ok(Bound::new(expr, data_type, nullable))
}

/// A field of a column, if an expression is that and nothing else.
pub(crate) fn read_field(expression: &Arc<dyn PhysicalExpr>) -> Option<(usize, &str)> {
    let found = expression.downcast_ref::<Call>()?;
    let field = found.name.strip_prefix(FIELD)?;
    match found.arguments.as_slice() {
        [row] => Some((row.downcast_ref::<Column>()?.index(), field)),
        _ => None,
    }
}

/// A field, NULL where the row is.
fn where_row_is(row: Option<&NullBuffer>, column: &ArrayRef) -> arrow::error::Result<ArrayRef> {
    match row {
        None => Ok(Arc::clone(column)),
        // as in all that was read out of JSON
        Some(row) if column.nulls().is_some_and(|own| own.contains(row)) => Ok(Arc::clone(column)),
        Some(row) => nullif(column, &BooleanArray::new(!row.inner(), None)),
    }
}

pub(super) fn element(bound: Bound, position: Bound, session: Session, span: Span) -> Bind {
    let DataType::Array(element) = bound.data_type.clone() else {
        return Err(Mistake::new(span, format!("{} has no elements", describe(&bound.data_type))));
    };
    if !position.is_null && !is_integer(&position.data_type) {
        return Err(Mistake::new(
            span,
            format!("an element is counted by an INT, not {}", describe(&position.data_type)),
        ));
    }
    if position.constant_integer().is_some_and(|position| position < 1) {
        return Err(Mistake::new(span, "elements are counted from 1"));
    }
    let position = cast::cast(position, &DataType::BigInt, session, span)?;
    let physical = physical_type(&element.data_type);
    let expr = call("[]", vec![bound.expr, position.expr], physical, |arguments| {
        let list = arguments[0].as_list::<i32>();
        let positions = arguments[1].as_primitive::<Int64Type>();
        let index = |row: usize| {
            let length = i64::from(list.value_length(row));
            let position = positions.is_valid(row).then(|| positions.value(row))?;
            let inside = list.is_valid(row) && (1..=length).contains(&position);
            inside.then(|| (list.value_offsets()[row] as u32) + (position - 1) as u32)
        };
        let indices: UInt32Array = (0..list.len()).map(index).collect();
        Ok(take(list.values(), &indices, None)?)
    });
    Ok(Bound::new(expr, element.data_type, true))
}

/// The only element of an array; NULL if it has none, an error if it has more.
pub(super) fn only_element(bound: Bound, span: Span) -> Bind {
    let DataType::Array(element) = bound.data_type.clone() else {
        return Err(Mistake::new(span, format!("ELEMENT takes an ARRAY, not {}", describe(&bound.data_type))));
    };
    let expr = call("ELEMENT", vec![bound.expr], physical_type(&element.data_type), |arguments| {
        let list = arguments[0].as_list::<i32>();
        let mut indices = Vec::with_capacity(list.len());
        for row in 0..list.len() {
            indices.push(match list.value_length(row) {
                1 if list.is_valid(row) => Some(list.value_offsets()[row] as u32),
                length if length > 1 && list.is_valid(row) => {
                    return datafusion::common::exec_err!("ELEMENT of an array with {length} elements");
                }
                _ => None,
            });
        }
        Ok(take(list.values(), &UInt32Array::from(indices), None)?)
    });
    Ok(Bound::new(expr, element.data_type, true))
}

/// How many elements an array has.
pub(super) fn cardinality(bound: Bound, span: Span) -> Bind {
    let DataType::Array(_) = bound.data_type else {
        return Err(Mistake::new(span, format!("CARDINALITY takes an ARRAY, not {}", describe(&bound.data_type))));
    };
    let nullable = bound.nullable;
    let expr = call("CARDINALITY", vec![bound.expr], ArrowType::Int32, |arguments| {
        let list = arguments[0].as_list::<i32>();
        let length = |row: usize| list.is_valid(row).then(|| list.value_length(row));
        Ok(Arc::new((0..list.len()).map(length).collect::<arrow::array::Int32Array>()))
    });
    Ok(Bound::new(expr, DataType::Int, nullable))
}

/// True if one of the elements is the value; NULL is found like any other.
pub(super) fn contains((array, array_span): (Bound, Span), (value, span): (Bound, Span), session: Session) -> Bind {
    let DataType::Array(element) = array.data_type.clone() else {
        return Err(Mistake::new(
            array_span,
            format!("ARRAY_CONTAINS takes an ARRAY, not {}", describe(&array.data_type)),
        ));
    };
    let common = super::types::common_type(&element.data_type, &value.data_type);
    if !value.is_null && common.as_ref() != Some(&element.data_type) {
        let message =
            format!("elements are {}, and this is {}", describe(&element.data_type), describe(&value.data_type));
        return Err(Mistake::new(span, message));
    }
    let value = cast::cast(value, &element.data_type, session, span)?;
    let nullable = array.nullable;
    let expr = call("ARRAY_CONTAINS", vec![array.expr, value.expr], ArrowType::Boolean, |arguments| {
        let list = arguments[0].as_list::<i32>();
        let mut found = Vec::with_capacity(list.len());
        for row in 0..list.len() {
            if list.is_null(row) {
                found.push(None);
                continue;
            }
            let elements = list.value(row);
            let wanted = arrow::array::Scalar::new(arguments[1].slice(row, 1));
            let same = arrow::compute::kernels::cmp::not_distinct(&elements, &wanted)?;
            found.push(Some(same.true_count() > 0));
        }
        Ok(Arc::new(arrow::array::BooleanArray::from(found)))
    });
    Ok(Bound::new(expr, DataType::Boolean, nullable))
}

/// `ARRAY[a, b]`.
pub(super) fn array(items: Vec<(Bound, Span)>, session: Session, span: Span) -> Bind {
    let Some(target) = least_type(items.iter().map(|(item, span)| (item, *span)))? else {
        return Err(Mistake::new(span, "an array of nothing has no type").hint("write CAST(… AS ARRAY<INT>)"));
    };
    let nullable = items.iter().any(|(item, _)| item.nullable);
    let items = items.into_iter().map(|(item, span)| Ok(cast::cast(item, &target, session, span)?.expr));
    let items = items.collect::<Result<Vec<_>, Mistake>>()?;
    let data_type = DataType::Array(Box::new(SqlType { data_type: target, nullable }));
    let ArrowType::List(field) = physical_type(&data_type) else {
        return Err(Mistake::new(span, "this is no array"));
    };
    let output = ArrowType::List(Arc::clone(&field));
    let expr = call("ARRAY", items, output, move |arguments| {
        let rows = arguments.first().map_or(0, |first| first.len());
        let columns: Vec<&dyn Array> = arguments.iter().map(|column| column.as_ref()).collect();
        let places: Vec<(usize, usize)> =
            (0..rows).flat_map(|row| (0..columns.len()).map(move |column| (column, row))).collect();
        let values = interleave(&columns, &places)?;
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(columns.len(), rows));
        Ok(Arc::new(ListArray::try_new(Arc::clone(&field), offsets, values, None)?))
    });
    Ok(Bound::new(expr, data_type, false))
}

/// `ROW(a, b)` or `(a, b)`: its fields are called EXPR$0, EXPR$1 as in Flink.
pub(super) fn row(items: Vec<Bound>) -> Bind {
    let mut fields = Vec::new();
    let mut arguments = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let data_type = if item.is_null { DataType::String } else { item.data_type.clone() };
        let expr = if item.is_null { cast::typed_null(&data_type) } else { item.expr };
        let sql_type = SqlType { data_type, nullable: item.nullable };
        fields.push(RowField { name: format!("EXPR${index}"), sql_type, comment: None });
        arguments.push(expr);
    }
    let data_type = DataType::Row(fields);
    let ArrowType::Struct(arrow) = physical_type(&data_type) else {
        return Err(Mistake::new(Span::empty(), "this is no row"));
    };
    let arrow: Fields = arrow.iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let expr = call("ROW", arguments, ArrowType::Struct(arrow.clone()), move |arguments| {
        if arguments.is_empty() {
            return internal_err!("a row without fields");
        }
        Ok(Arc::new(StructArray::try_new(arrow.clone(), arguments.to_vec(), None)?))
    });
    Ok(Bound::new(expr, data_type, false))
}
