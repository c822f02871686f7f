//! The Flink SQL dialect: a file of statements in, a [`Pipeline`] of catalogs, tables and jobs out. No DataFusion, no I/O.
//!
//! Start at [`parse_pipeline`]. The walk of a file: `source` substitutes `${NAME}` and keeps the places, `lexer` cuts it into
//! statements of tokens, `parser` makes statements of them (DDL is ours, queries are sqlparser's), `pipeline` looks up every
//! name and checks what can be checked without planning. All of them put their mistakes into one list of [`Diagnostics`], each
//! with its place in the file that the user wrote.
//!
//! Queries stay `sqlparser::ast::Query`: the engine plans them. What Flink runs and hoga does not is refused here by name if
//! a token or a clause tells, and by the engine if only the plan tells.

mod connector;
mod diagnostic;
mod dialect;
mod lexer;
mod name;
mod options;
mod parser;
mod pipeline;
mod reserved;
mod settings;
mod source;
mod statement;
mod tokens;
mod types;

pub use connector::{Bucket, Connector, JsonFormat, JsonTimestamps, KafkaTable, PaimonTable, ScanBounded, ScanStartup};
pub use diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics};
pub use dialect::FlinkDialect;
pub use name::{TablePath, did_you_mean, quoted, quoted_always};
pub use options::{OptionEntry, Options};
pub use pipeline::{
    Catalog, CatalogKind, Column, ColumnKind, DEFAULT_CATALOG, DEFAULT_DATABASE, Database, Job, Mistake, Pipeline,
    Table, View, Watermark, parse_pipeline, read_pipeline, substitute_variables,
};
pub use settings::{Settings, parse_duration_ms};
pub use source::SOURCE_BYTES_MAX;
pub use types::{DECIMAL_PRECISION_MAX, DataType, RowField, SqlType, TIME_PRECISION_MAX};
