//! Options that several commands have.

use clap::Args;
use std::path::PathBuf;

/// A span of time.
#[derive(Debug, Clone, Args)]
pub struct SpanArgs {
    /// From when on [default: the beginning]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to when [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

/// What is said of the times of [`SpanArgs`].
pub(super) const TIMES_HELP: &str =
    "Times: 2026-01-31, 2026-01-31T13:00:00Z (UTC without a zone), or how long ago: 30m, 12h, 7d.";

/// Tables: those of a running hoga, or of a folder.
#[derive(Debug, Args)]
pub struct TablesArgs {
    /// The tables of a data folder whose hoga is not running
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub data: Option<PathBuf>,
    /// Where they are, if not in it: DIR or s3://BUCKET/PATH, reached as the variables HOGA_S3_… say [default: DIR/warehouse, else HOGA_WAREHOUSE]
    #[arg(long, value_name = "PLACE", requires = "data")]
    pub warehouse: Option<String>,
    /// A running hoga [default: postgres://hoga@127.0.0.1:5433/hoga]
    #[arg(long, value_name = "URL", env = "HOGA_CONNECT", hide_env_values = true)]
    pub connect: Option<String>,
    /// Its password, if it asks for one and the URL has none. Better set as HOGA_POSTGRES_PASSWORD
    #[arg(long, value_name = "PASSWORD", env = "HOGA_POSTGRES_PASSWORD", hide_env_values = true)]
    pub postgres_password: Option<String>,
}

/// The page of a running hoga.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// The running hoga's page
    #[arg(long, value_name = "ADDR", env = "HOGA_HTTP", default_value = "127.0.0.1:8080")]
    pub http: String,
    /// The page's token, if it asks for one. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN", env = "HOGA_HTTP_TOKEN", hide_env_values = true)]
    pub http_token: Option<String>,
}

/// How to talk to the brokers of `--brokers`.
#[derive(Debug, Default, Clone, Args)]
pub struct ClusterArgs {
    /// --brokers: TLS to them: on or off [default: off]
    #[arg(long, value_name = "ON")]
    pub kafka_tls: Option<String>,
    /// --brokers: certificates (PEM) of the authority that theirs are from [default: the operating system's]
    #[arg(long, value_name = "FILE")]
    pub kafka_ca: Option<String>,
    /// --brokers: how to log in: plain, scram-sha-256 or scram-sha-512 [default: no login]
    #[arg(long, value_name = "MECHANISM")]
    pub kafka_sasl: Option<String>,
    /// --brokers: who logs in
    #[arg(long, value_name = "NAME")]
    pub kafka_username: Option<String>,
    /// --brokers: the password. Better set as HOGA_KAFKA_PASSWORD
    #[arg(long, value_name = "PASSWORD")]
    pub kafka_password: Option<String>,
}
