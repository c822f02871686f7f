//! What a job writes: its table, and the casts that make the query's columns the table's.

use super::{field_of, mistake_of, schema_of};
use crate::types::sql_name;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_lake::TableSpec;
use hoga_sql::{Connector, Job, Mistake, Table};

/// The lake table that a CREATE TABLE declares.
pub(super) fn table_spec(table: &Table, span: Span) -> Result<TableSpec, Mistake> {
    let Connector::Paimon(paimon) = table.connector() else {
        let problem = Mistake::new(span, format!("table {} is a topic", table.path));
        return Err(problem.hint("INSERT INTO a topic runs on Flink only; write into a lake table"));
    };
    if !table.primary_key.is_empty() {
        let problem = Mistake::new(table.span, format!("table {} has a PRIMARY KEY", table.path));
        return Err(problem.hint("upserts run on Flink only; declare an append table, without PRIMARY KEY"));
    }
    let fields = table.columns.iter().map(|column| field_of(&column.name, &column.kind, column.span));
    Ok(TableSpec {
        database: table.path.database.clone(),
        table: table.path.table.clone(),
        schema: schema_of(fields.collect::<Result<_, _>>()?),
        partition_keys: table.partition_keys.clone(),
        primary_keys: Vec::new(),
        options: paimon.options.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
        comment: table.comment.clone(),
    })
}

/// The lake table of the stream graph: also one with a primary key.
pub(super) fn lake_spec(table: &Table, span: Span) -> Result<TableSpec, Mistake> {
    let Connector::Paimon(paimon) = table.connector() else {
        return Err(Mistake::new(span, format!("table {} is a topic", table.path)));
    };
    let fields = table.columns.iter().map(|column| field_of(&column.name, &column.kind, column.span));
    Ok(TableSpec {
        database: table.path.database.clone(),
        table: table.path.table.clone(),
        schema: schema_of(fields.collect::<Result<_, _>>()?),
        partition_keys: table.partition_keys.clone(),
        primary_keys: table.primary_key.clone(),
        options: paimon.options.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
        comment: table.comment.clone(),
    })
}

/// Puts the query's columns under the sink's names and types; columns that the INSERT does not name become NULL.
pub(super) fn cast_to_sink(plan: LogicalPlan, job: &Job, sink: &SchemaRef) -> Result<LogicalPlan, Mistake> {
    let given = plan.schema().fields().len();
    if given != job.columns.len() {
        let message =
            format!("the query has {given} columns, the table takes {}: {}", job.columns.len(), job.columns.join(", "));
        return Err(Mistake::new(job.span, message));
    }
    let mut expressions = Vec::new();
    for field in sink.fields() {
        let position = job.columns.iter().position(|column| column == field.name());
        let expression = match position {
            Some(position) => {
                let (qualifier, source) = plan.schema().qualified_field(position);
                let column = Expr::Column((qualifier, source).into());
                if source.data_type() == field.data_type() {
                    column
                } else if widens(source.data_type(), field.data_type()) {
                    cast(column, field.data_type().clone())
                } else {
                    let (from, to) = (sql_name(source.data_type()), sql_name(field.data_type()));
                    let message = format!(
                        "column {} of the query is {from}, but `{}` of {} is {to}",
                        position + 1,
                        field.name(),
                        job.sink
                    );
                    return Err(Mistake::new(job.span, message).hint(format!("write CAST(… AS {to})")));
                }
            }
            None if field.is_nullable() => lit(null_of(field.data_type(), job.span)?),
            None => {
                let message = format!("column `{}` of {} is NOT NULL and gets no value", field.name(), job.sink);
                return Err(Mistake::new(job.span, message));
            }
        };
        expressions.push(expression.alias(field.name()));
    }
    LogicalPlanBuilder::from(plan)
        .project(expressions)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| mistake_of(&error, job.span))
}

fn null_of(data_type: &DataType, span: Span) -> Result<ScalarValue, Mistake> {
    ScalarValue::try_new_null(data_type).map_err(|error| mistake_of(&error, span))
}

/// Flink's implicit casts, as far as they lose nothing.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null, Utf8, Utf8View};
    match (from, to) {
        (Null, _) | (Utf8View, Utf8) | (Float32, Float64) => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Int8 | Int16 | Int32 | Int64, Float64) => true,
        (Int8 | Int16 | Int32 | Int64, Decimal128(precision, scale)) => i16::from(*precision) - i16::from(*scale) >= 19,
        (Decimal128(from_precision, from_scale), Decimal128(to_precision, to_scale)) => {
            let whole = |precision: &u8, scale: &i8| i16::from(*precision) - i16::from(*scale);
            from_scale <= to_scale && whole(from_precision, from_scale) <= whole(to_precision, to_scale)
        }
        // equal but for the names inside, which positions decide
        (DataType::List(from), DataType::List(to)) => {
            from.data_type() == to.data_type() || widens(from.data_type(), to.data_type())
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| {
                    from.name() == to.name()
                        && (from.data_type() == to.data_type() || widens(from.data_type(), to.data_type()))
                })
        }
        _ => false,
    }
}
