//! `hoga sql` and `hoga export`: what asks tables.

use super::TablesArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The statement; without it statements are read from standard input
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub command: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[command(flatten)]
    pub tables: TablesArgs,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The statement: SELECT …, of the past too, as hoga sql takes it
    #[arg(long, value_name = "SQL")]
    pub query: String,
    /// Where to: a file, which is there only when it is whole, or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub out: PathBuf,
    /// [default: as the file's name ends: .parquet, .csv, .arrow (an Arrow file), .arrows (an Arrow stream, as on standard output)]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Read the tables of a data folder whose hoga is not running, in place of a running one's
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where they are, if not in it: DIR or s3://BUCKET/PATH, reached as the variables HOGA_S3_… say [default: DIR/warehouse, else HOGA_WAREHOUSE]
    #[arg(long, value_name = "PLACE", requires = "data")]
    pub warehouse: Option<String>,
    /// A running hoga's page; what it must not take longer than is its --statement-timeout, for each batch of rows
    #[arg(long, value_name = "URL", env = "HOGA_HTTP", default_value = "http://127.0.0.1:8080")]
    pub connect: String,
    /// The page's token. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN", env = "HOGA_HTTP_TOKEN", hide_env_values = true)]
    pub http_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Parquet,
    Csv,
    Arrow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Json,
}
