//! The command line as it is typed. What it means, with environment and file, is decided in `config`.

mod ask;
mod parts;
mod pipeline;
mod rows;
mod sim;
mod up;

pub use ask::{AuditArgs, BackfillArgs, StatusArgs};
pub use parts::{ClusterArgs, PageArgs, SpanArgs, TablesArgs};
pub use pipeline::{CheckArgs, ExplainArgs, ReplayArgs, RunArgs};
pub use rows::{ExportArgs, ExportFormat, Format, SqlArgs};
pub use sim::SimArgs;
pub use up::{CollectArgs, ExchangeArgs, UpArgs};

use clap::{Parser, Subcommand};

/// Upbit market data: collect, keep, compute, query and watch, in one process.
#[derive(Parser)]
#[command(name = "hoga", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the pipeline: exchange → log → SQL jobs → lake, with live SQL and a page
    Up(Box<UpArgs>),
    /// Collect alone, into a Kafka cluster; run two, and one takes over when the other dies
    Collect(Box<CollectArgs>),
    /// Ask SQL, of a running hoga or of a data folder
    Sql(SqlArgs),
    /// Write a query's rows to a file: Parquet, CSV or Arrow
    Export(ExportArgs),
    /// Check pipeline files: every mistake with file:line:column
    Check(CheckArgs),
    /// Run a pipeline on recorded records, offline, to the end of the input
    Run(RunArgs),
    /// Run a pipeline on recorded days of a log again, at any speed, in a data folder of its own
    Replay(Box<ReplayArgs>),
    /// Show what a pipeline file computes: per table the operators, windows, watermarks and state
    Explain(ExplainArgs),
    /// Show what a running hoga is doing
    Status(StatusArgs),
    /// Compare bars with trades, trades with the exchange, and tell gaps and duplicates; exit code 1 if there is a difference
    Audit(AuditArgs),
    /// Have a running hoga get trades of the past from the exchange, of the last seven days
    Backfill(BackfillArgs),
    /// Run a simulated exchange that speaks Upbit's WebSocket and REST
    Sim(SimArgs),
}
