//! What Flink's functions and casts compute, column by column. Which of them exist and what they take: `plan::expression`.
//!
//! A function is here only if its results are Flink's (docs/flink-semantics.md).

mod date_format;
mod date_pattern;
mod number_text;
mod time_text;
mod to_timestamp_ltz;
mod zone;

pub(crate) mod calendar;
pub(crate) mod choose;
pub(crate) mod convert;
pub(crate) mod date_text;
pub(crate) mod digest;
pub(crate) mod json_path;
pub(crate) mod math;
pub(crate) mod pattern;
pub(crate) mod regex;
pub(crate) mod text;

pub(crate) use time_text::write_timestamp;

use arrow::array::timezone::Tz;
use datafusion::logical_expr::ScalarUDF;

/// What live SQL has of them beside DataFusion's own, in a time zone.
pub(crate) fn flink_functions(zone: Tz) -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::new_from_impl(to_timestamp_ltz::ToTimestampLtz::new()),
        ScalarUDF::new_from_impl(date_format::DateFormat::new(zone)),
    ]
}
