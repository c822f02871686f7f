//! The types of CAST: Flink's, where they differ from DataFusion's.

use crate::types::UTC;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            ast::DataType::Timestamp(digits, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => {
                DataType::Timestamp(unit(digits.unwrap_or(6))?, None)
            }
            ast::DataType::Custom(name, arguments) if name.to_string().eq_ignore_ascii_case("TIMESTAMP_LTZ") => {
                let digits = match arguments.as_slice() {
                    [] => Some(6),
                    [digits] => digits.parse().ok(),
                    _ => None,
                };
                match digits {
                    Some(digits) => DataType::Timestamp(unit(digits)?, Some(UTC.into())),
                    None => return plan_err!("TIMESTAMP_LTZ takes one number, its digits after the second"),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

fn unit(digits: u64) -> Result<TimeUnit> {
    match digits {
        0..=3 => Ok(TimeUnit::Millisecond),
        4..=6 => Ok(TimeUnit::Microsecond),
        _ => plan_err!("times finer than microseconds run on Flink only"),
    }
}
