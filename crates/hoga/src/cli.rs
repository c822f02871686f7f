//! The command line as it is typed. What it means, with environment and file, is decided in `config`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// 2026-03-09T00:00:00Z, a UTC day's first bar.
const RECORDING_FROM_MS: i64 = 1_773_014_400_000;

const CONFIG_HELP: &str = "\
Every option can also be an environment variable (HOGA_ and its name, as HOGA_CHECKPOINT_INTERVAL=10s) or a key of
hoga.toml in the working directory (checkpoint-interval = \"10s\"). A flag wins over the environment, that over the file.";

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

#[derive(Default, Args)]
#[command(after_help = CONFIG_HELP)]
pub struct UpArgs {
    /// Where events come from: upbit, sim (a simulated exchange inside), or replay:FILE.jsonl (recorded frames) [default: upbit]
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// The pipeline's SQL [default: pipeline/upbit.sql as built in]
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<String>,
    /// Where everything is kept: log, checkpoints, tables [default: hoga-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Markets to collect: codes with commas, a quote currency (KRW), or all [default: KRW]
    #[arg(long, value_name = "MARKETS")]
    pub markets: Option<String>,
    /// Web page, /healthz, /metrics [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Kafka protocol on the log in DATA, or off [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDR")]
    pub kafka: Option<String>,
    /// Kafka: who may connect, user:password a line; needed on an address that other machines reach
    #[arg(long, value_name = "FILE")]
    pub kafka_users: Option<String>,
    /// Kafka: certificate chain in PEM, for TLS
    #[arg(long, value_name = "FILE")]
    pub kafka_tls_cert: Option<String>,
    /// Kafka: the certificate's private key in PEM
    #[arg(long, value_name = "FILE")]
    pub kafka_tls_key: Option<String>,
    /// Kafka: what clients are told to connect to [default: the address they came through]
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka_advertised: Option<String>,
    /// Kafka: create topics that clients ask for: on or off [default: off]
    #[arg(long, value_name = "SWITCH")]
    pub kafka_auto_create: Option<String>,
    /// Kafka: clients at once; more are closed as they come [default: 1000]
    #[arg(long, value_name = "N")]
    pub kafka_max_connections: Option<String>,
    /// A Kafka cluster instead of the log in DATA: HOST:PORT,… of some of its brokers
    #[arg(long, value_name = "BROKERS")]
    pub brokers: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// PostgreSQL protocol [default: 127.0.0.1:5433]
    #[arg(long, value_name = "ADDR")]
    pub postgres: Option<String>,
    /// Where lake tables are kept: DIR or s3://BUCKET/PATH [default: DATA/warehouse]
    #[arg(long, value_name = "PLACE")]
    pub warehouse: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// How often rows are committed to the lake [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub checkpoint_interval: Option<String>,
    /// Uncommitted rows of a table beyond this are committed early [default: 24MiB]
    #[arg(long, value_name = "SIZE")]
    pub live_tail_bytes: Option<String>,
    /// What the pipeline's windows and groups may keep in all; a statement that needs more stands still [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    pub state_memory: Option<String>,
    /// Threads that read one topic, at most one a partition [default: 2]
    #[arg(long, value_name = "N")]
    pub parallelism: Option<String>,
    /// A statement that has changed begins with empty windows and groups where its topic was left, instead of being refused; the rows
    /// it has written stay, each until its key comes again: yes or no [default: no]
    #[arg(long, value_name = "YES", num_args = 0..=1, default_missing_value = "yes")]
    pub reset_changed_queries: Option<String>,
    /// Memory for all queries together; more spills to disk [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub query_memory: Option<String>,
    /// A statement that runs longer is ended [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub statement_timeout: Option<String>,
    /// Log: records older than this are deleted [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub log_retention: Option<String>,
    /// Log: the oldest records of a topic beyond this size are deleted [default: 10GiB]
    #[arg(long, value_name = "SIZE")]
    pub log_retention_bytes: Option<String>,
    /// Log: lz4 or none [default: lz4]
    #[arg(long, value_name = "CODEC")]
    pub log_compression: Option<String>,
    /// Log: how often it is synced to disk; lost power loses at most this much [default: 100ms]
    #[arg(long, value_name = "TIME")]
    pub log_fsync_interval: Option<String>,
    /// Connections to the exchange that ask for the same, 1 to 5: while one of them stands nothing is lost [default: 1]
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// A connection is renewed before it is so old, the new one first; or off [default: 12h]
    #[arg(long, value_name = "TIME")]
    pub connection_age: Option<String>,
    /// How often the exchange's list of markets is read, for listings, delistings and warnings; or off [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub market_list_interval: Option<String>,
    /// Upbit's WebSocket [default: wss://api.upbit.com/websocket/v1]
    #[arg(long, value_name = "URL")]
    pub upbit_ws_url: Option<String>,
    /// Upbit's REST [default: https://api.upbit.com]
    #[arg(long, value_name = "URL")]
    pub upbit_rest_url: Option<String>,
    /// How often each market's trades are compared with the exchange's own list, for trades lost without a gap; or off [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub verify_interval: Option<String>,
    /// --source sim: number of markets [default: 50]
    #[arg(long, value_name = "N")]
    pub sim_markets: Option<String>,
    /// --source sim: events a second [default: 500]
    #[arg(long, value_name = "N")]
    pub sim_rate: Option<String>,
    /// --source sim: seed of its random walk [default: 1]
    #[arg(long, value_name = "N")]
    pub sim_seed: Option<String>,
    /// Token that the page asks for; needed on an address that other machines reach. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN")]
    pub http_token: Option<String>,
    /// Password for PostgreSQL clients; needed likewise. Better set as HOGA_POSTGRES_PASSWORD
    #[arg(long, value_name = "PASSWORD")]
    pub postgres_password: Option<String>,
    /// What to print: error, warn, info, debug, or a filter such as hoga_upbit=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// How to reach the store of `--warehouse s3://…`.
#[derive(Default, Clone, Args)]
pub struct StoreArgs {
    /// --warehouse s3://: the store's URL, as http://127.0.0.1:9000 [default: AWS]
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// --warehouse s3://: the bucket's region [default: AWS_REGION, else us-east-1]
    #[arg(long, value_name = "REGION")]
    pub s3_region: Option<String>,
    /// --warehouse s3://: the access key's name [default: AWS's environment, profile or role]
    #[arg(long, value_name = "KEY")]
    pub s3_access_key: Option<String>,
    /// --warehouse s3://: the access key's secret. Better set as HOGA_S3_SECRET_KEY
    #[arg(long, value_name = "SECRET")]
    pub s3_secret_key: Option<String>,
    /// --warehouse s3://: the bucket in the path, not in the host's name: on or off [default: on if there is an endpoint]
    #[arg(long, value_name = "ON")]
    pub s3_path_style: Option<String>,
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

#[derive(Default, Args)]
#[command(after_help = CONFIG_HELP)]
pub struct CollectArgs {
    /// The Kafka cluster: HOST:PORT,… of some of its brokers
    #[arg(long, value_name = "BROKERS")]
    pub brokers: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where events come from: upbit, sim (a simulated exchange inside), or replay:FILE.jsonl (recorded frames) [default: upbit]
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Markets to collect: codes with commas, a quote currency (KRW), or all [default: KRW]
    #[arg(long, value_name = "MARKETS")]
    pub markets: Option<String>,
    /// /healthz and /metrics [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Token that /metrics asks for; needed on an address that other machines reach. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN")]
    pub http_token: Option<String>,
    /// Of topics that are made: records older than this are deleted [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub log_retention: Option<String>,
    /// Of topics that are made: the oldest records beyond this size are deleted [default: 10GiB]
    #[arg(long, value_name = "SIZE")]
    pub log_retention_bytes: Option<String>,
    /// Connections to the exchange that ask for the same, 1 to 5: while one of them stands nothing is lost [default: 1]
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// A connection is renewed before it is so old, the new one first; or off [default: 12h]
    #[arg(long, value_name = "TIME")]
    pub connection_age: Option<String>,
    /// How often the exchange's list of markets is read, for listings, delistings and warnings; or off [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub market_list_interval: Option<String>,
    /// Upbit's WebSocket [default: wss://api.upbit.com/websocket/v1]
    #[arg(long, value_name = "URL")]
    pub upbit_ws_url: Option<String>,
    /// Upbit's REST [default: https://api.upbit.com]
    #[arg(long, value_name = "URL")]
    pub upbit_rest_url: Option<String>,
    /// --source sim: number of markets [default: 50]
    #[arg(long, value_name = "N")]
    pub sim_markets: Option<String>,
    /// --source sim: events a second [default: 500]
    #[arg(long, value_name = "N")]
    pub sim_rate: Option<String>,
    /// --source sim: seed of its random walk [default: 1]
    #[arg(long, value_name = "N")]
    pub sim_seed: Option<String>,
    /// What to print: error, warn, info, debug, or a filter such as librdkafka=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

impl From<CollectArgs> for UpArgs {
    /// The two commands share their options; `collect` has fewer.
    fn from(args: CollectArgs) -> UpArgs {
        UpArgs {
            brokers: args.brokers,
            cluster: args.cluster,
            source: args.source,
            markets: args.markets,
            http: args.http,
            http_token: args.http_token,
            log_retention: args.log_retention,
            log_retention_bytes: args.log_retention_bytes,
            connections: args.connections,
            connection_age: args.connection_age,
            market_list_interval: args.market_list_interval,
            upbit_ws_url: args.upbit_ws_url,
            upbit_rest_url: args.upbit_rest_url,
            sim_markets: args.sim_markets,
            sim_rate: args.sim_rate,
            sim_seed: args.sim_seed,
            log_level: args.log_level,
            ..UpArgs::default()
        }
    }
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The statement; without it statements are read from standard input
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub command: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Read the tables of a data folder whose hoga is not running
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub data: Option<PathBuf>,
    /// Where they are, if not in it: DIR or s3://BUCKET/PATH, reached as the variables HOGA_S3_… say [default: DIR/warehouse, else HOGA_WAREHOUSE]
    #[arg(long, value_name = "PLACE", requires = "data")]
    pub warehouse: Option<String>,
    /// A running hoga [default: postgres://hoga@127.0.0.1:5433/hoga]
    #[arg(long, value_name = "URL", env = "HOGA_CONNECT")]
    pub connect: Option<String>,
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
pub struct ReplayArgs {
    /// Records received from then on, in UTC: 2026-11-26, 2026-11-26T22:00:00Z; what the log has no more is made of the tables' rows
    /// [default: the log's beginning]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Records received before then [default: what is there now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
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

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    /// The running hoga's page
    #[arg(long, value_name = "ADDR", env = "HOGA_HTTP", default_value = "127.0.0.1:8080")]
    pub http: String,
}

const AUDIT_HELP: &str = "\
Times: 2026-01-31, 2026-01-31T13:00:00Z (UTC without a zone), or how long ago: 30m, 12h, 7d.

What is compared: bars of every size with what the trade table gives (those not yet closed are no difference, and one counts only
if it is still wrong after 15 s); trades by (market, sequential_id), each once; whole minutes that the ledger of gaps promises with
the exchange's own minute bars, asked for within its limits; trade gaps that are open, pending or lost. Gaps of tickers and order
books are counted and are no difference: nobody can repair them.

--json: a line a finding, {\"kind\": \"bar\" | \"minute\" | \"duplicate\" | \"gap\", \"market\": …}, then {\"kind\": \"summary\", …}.

Exit code: 0 clean, 1 differences, 2 a mistake in the options, 3 hoga (or with --rest the exchange) cannot be reached.";

#[derive(Debug, Args)]
#[command(after_help = AUDIT_HELP)]
pub struct AuditArgs {
    /// A JSON object a line, instead of words
    #[arg(long)]
    pub json: bool,
    /// Audit the tables of a data folder whose hoga is not running
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub data: Option<PathBuf>,
    /// Where they are, if not in it: DIR or s3://BUCKET/PATH, reached as the variables HOGA_S3_… say [default: DIR/warehouse, else HOGA_WAREHOUSE]
    #[arg(long, value_name = "PLACE", requires = "data")]
    pub warehouse: Option<String>,
    /// A running hoga [default: postgres://hoga@127.0.0.1:5433/hoga]
    #[arg(long, value_name = "URL", env = "HOGA_CONNECT")]
    pub connect: Option<String>,
    /// The running hoga's page, which knows up to when trades were compared
    #[arg(long, value_name = "ADDR", env = "HOGA_HTTP", default_value = "127.0.0.1:8080")]
    pub http: String,
    /// From when on [default: the first trade]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to when [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Codes with commas, a quote currency (KRW), or all
    #[arg(long, value_name = "MARKETS", default_value = "all")]
    pub markets: String,
    /// The exchange must answer; without this its minutes are left out when it does not
    #[arg(long, conflicts_with = "no_rest")]
    pub rest: bool,
    /// Do not ask the exchange
    #[arg(long)]
    pub no_rest: bool,
    /// Minutes younger than this are not compared with the exchange's, which may still change
    #[arg(long, value_name = "TIME", default_value = "3m")]
    pub settle: String,
    /// Upbit's REST
    #[arg(long, value_name = "URL", env = "HOGA_UPBIT_REST_URL", default_value = hoga_upbit::rest::REST_URL)]
    pub upbit_rest_url: String,
}

const BACKFILL_HELP: &str = "\
Times: 2026-01-31, 2026-01-31T13:00:00Z (UTC without a zone), or how long ago: 30m, 12h, 7d.

The running hoga does the work: what is wanted is in its ledger of gaps (upbit.gap, cause backfill, an hour of a market each), is taken
within the exchange's limits when nothing is to be repaired, and survives a crash. Ctrl-C ends only this command; the same command again
goes on showing it, and asks for nothing twice. Trades that are there already are not appended again.

Exit code: 0 all trades are there, 1 some hours are older than the exchange can tell by now, 2 a mistake, 3 no hoga or no exchange answers.";

#[derive(Debug, Args)]
#[command(after_help = BACKFILL_HELP)]
pub struct BackfillArgs {
    /// Codes with commas, a quote currency (KRW), or all; collected or not
    #[arg(long, value_name = "MARKETS")]
    pub markets: String,
    /// Trades executed from then on
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// And up to then [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The running hoga's page
    #[arg(long, value_name = "ADDR", env = "HOGA_HTTP", default_value = "127.0.0.1:8080")]
    pub http: String,
    /// The page's token, if it asks for one. Better set as HOGA_HTTP_TOKEN
    #[arg(long, value_name = "TOKEN", env = "HOGA_HTTP_TOKEN", hide_env_values = true)]
    pub http_token: Option<String>,
    /// Ask for it and do not wait
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
#[command(after_help = hoga_upbit::sim::SimFault::help())]
pub struct SimArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8765")]
    pub listen: std::net::SocketAddr,
    /// Number of markets, all quoted in KRW
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub markets: usize,
    /// Events a second: tickers, trades and order books together
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    pub rate: f64,
    /// The same seed makes the same prices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Make events for this long from the first subscription on, then end (30s, 5m); without it, until Ctrl-C
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Write every trade made to this file, one JSON object a line, before it is sent
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Serve nobody: write the records of --duration, made at once, to a file that hoga run --input reads
    #[arg(long, value_name = "FILE.jsonl", requires = "duration", conflicts_with_all = ["truth", "fault"])]
    pub record: Option<PathBuf>,
    /// --record: when the exchange opens, in milliseconds since 1970; the same time makes the same bytes
    #[arg(long, value_name = "MS", requires = "record", default_value_t = RECORDING_FROM_MS)]
    pub record_from: i64,
    /// After the duration, keep sockets open and answer REST for this long, so that clients can catch up [default: 3s]
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
    /// Misbehave: FAULT=VALUE, listed below; may be repeated or a list with commas
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
}
