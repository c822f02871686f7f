//! `hoga check`, `explain`, `run` and `replay`: what is about a pipeline's file.

use super::parts::TIMES_HELP;
use super::{ClusterArgs, SpanArgs};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Pipeline files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The pipeline's SQL
    #[arg(long, value_name = "FILE", env = "HOGA_PIPELINE")]
    pub pipeline: PathBuf,
    /// Records, one a line: {"topic": …, "partition": 0, "key": …, "timestamp_ms": …, "value": …}
    #[arg(long, value_name = "FILE.jsonl", env = "HOGA_INPUT")]
    pub input: PathBuf,
    /// Where log, checkpoints and tables are kept; a run that was killed goes on there
    #[arg(long, value_name = "DIR", env = "HOGA_DATA", default_value = "hoga-data")]
    pub data: PathBuf,
    /// Where lake tables are kept: DIR or s3://BUCKET/PATH, reached as the variables HOGA_S3_… say [default: DATA/warehouse]
    #[arg(long, value_name = "PLACE", env = "HOGA_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// How often rows are committed to the lake
    #[arg(long, value_name = "TIME", env = "HOGA_CHECKPOINT_INTERVAL", default_value = "30s")]
    pub checkpoint_interval: String,
    /// Feed this many records a second while the jobs run; without it all of them before the jobs start
    #[arg(long, value_name = "N", env = "HOGA_RATE")]
    pub rate: Option<f64>,
    /// What to print: error, warn, info, debug
    #[arg(long, value_name = "FILTER", env = "HOGA_LOG_LEVEL", default_value = "warn")]
    pub log_level: String,
}

#[derive(Debug, Args)]
#[command(after_help = format!("{TIMES_HELP} A record's time is when it was received; those that the log has no more are made of the tables' rows."))]
pub struct ReplayArgs {
    #[command(flatten)]
    pub span: SpanArgs,
    /// How many times as fast as it happened, or max
    #[arg(long, value_name = "N", default_value = "max")]
    pub speed: String,
    /// Only these topics, with commas [default: all that the pipeline reads and does not write]
    #[arg(long, value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// The pipeline's SQL: the same as then, or rules to be tried on that time [default: as hoga up]
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<String>,
    /// Whose log: the data folder of a hoga that does not run
    #[arg(long, value_name = "DIR", env = "HOGA_DATA", default_value = "hoga-data")]
    pub data: PathBuf,
    /// Whose log, in place of --data: a hoga that runs, by its Kafka listener (127.0.0.1:9092), or a Kafka cluster
    #[arg(long, value_name = "BROKERS")]
    pub brokers: Option<String>,
    /// Whose tables have the records that the log has no more, if not in --data: DIR or s3://BUCKET/PATH [default: DATA/warehouse, else HOGA_WAREHOUSE]
    #[arg(long, value_name = "PLACE", conflicts_with = "brokers")]
    pub warehouse: Option<String>,
    /// With --brokers: the page of a hoga that runs and has those tables
    #[arg(long, value_name = "URL", requires = "brokers")]
    pub connect: Option<String>,
    /// That page's token. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN", env = "HOGA_HTTP_TOKEN", hide_env_values = true)]
    pub http_token: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where the replay's own log, checkpoints and tables are kept; a new folder
    #[arg(long, value_name = "DIR", default_value = "hoga-replay")]
    pub into: PathBuf,
    /// End when everything is computed and committed, instead of staying to be asked
    #[arg(long)]
    pub exit: bool,
    /// Web page, /healthz, /metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub http: String,
    /// Kafka protocol on the replay's log, or off
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9093")]
    pub kafka: String,
    /// PostgreSQL protocol
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5434")]
    pub postgres: String,
    /// How often rows are committed to the replay's tables [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub checkpoint_interval: Option<String>,
    /// What to print: error, warn, info, debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A pipeline file [default: pipeline/upbit.sql as built in]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
