//! `hoga up` and `hoga collect`: the options that can also be environment variables or keys of `hoga.toml`.

use super::ClusterArgs;
use clap::Args;

const CONFIG_HELP: &str = "\
Every option can also be an environment variable (HOGA_ and its name, as HOGA_CHECKPOINT_INTERVAL=10s) or a key of
hoga.toml in the working directory (checkpoint-interval = \"10s\"). A flag wins over the environment, that over the file.";

#[derive(Default, Args)]
#[command(after_help = CONFIG_HELP)]
pub struct UpArgs {
    #[command(flatten)]
    pub exchange: ExchangeArgs,
    /// The pipeline's SQL [default: pipeline/upbit.sql as built in]
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<String>,
    /// Where everything is kept: log, checkpoints, tables [default: hoga-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
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

/// The exchange: where it is, and what of it is collected.
#[derive(Default, Clone, Args)]
pub struct ExchangeArgs {
    /// Where events come from: upbit, sim (a simulated exchange inside), or replay:FILE.jsonl (recorded frames) [default: upbit]
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Markets to collect: codes with commas, a quote currency (KRW), or all [default: KRW]
    #[arg(long, value_name = "MARKETS")]
    pub markets: Option<String>,
    /// Connections to the exchange that ask for the same, 1 to 5: while one of them stands nothing is lost [default: 1]
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// A connection is renewed before it is so old, the new one first; or off [default: 12h]
    #[arg(long, value_name = "TIME")]
    pub connection_age: Option<String>,
    /// How often the exchange's list of markets is read, for listings, delistings and warnings; or off [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub market_list_interval: Option<String>,
    /// How often each market's trades are compared with the exchange's own list, for trades lost without a gap; or off [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub verify_interval: Option<String>,
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

#[derive(Default, Args)]
#[command(after_help = CONFIG_HELP)]
pub struct CollectArgs {
    /// The Kafka cluster: HOST:PORT,… of some of its brokers
    #[arg(long, value_name = "BROKERS")]
    pub brokers: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub exchange: ExchangeArgs,
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
            exchange: args.exchange,
            http: args.http,
            http_token: args.http_token,
            log_retention: args.log_retention,
            log_retention_bytes: args.log_retention_bytes,
            log_level: args.log_level,
            ..UpArgs::default()
        }
    }
}
