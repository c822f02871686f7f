//! What `hoga up` runs with: flag > environment > file > default, resolved once; every mistake is reported at once.

mod units;
mod warehouse;

pub use units::{parse_bytes, parse_duration};
pub use warehouse::Warehouse;

use crate::cli::UpArgs;
use crate::failure::Failure;
use hoga_upbit::session::CONNECTIONS_MAX;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "hoga.toml";
/// A renewal takes a second or two.
const CONNECTION_AGE_MIN: Duration = Duration::from_secs(1);
const SASL_MECHANISMS: [&str; 3] = ["plain", "scram-sha-256", "scram-sha-512"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Upbit,
    Sim,
    /// Recorded frames.
    Replay(PathBuf),
    /// Records of another log: `hoga replay`.
    Log(LogStretch),
}

/// What of which log, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStretch {
    /// A data folder, or brokers.
    pub of: String,
    pub from: String,
    pub to: String,
    pub speed: String,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Upbit => f.write_str("upbit"),
            Source::Sim => f.write_str("sim"),
            Source::Replay(path) => write!(f, "replay:{}", path.display()),
            Source::Log(log) => write!(f, "replay:{} from {} to {}, {}", log.of, log.from, log.to, log.speed),
        }
    }
}

/// The Kafka listener on the log in the data folder; with `brokers` there is none.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `None`: it is switched off.
    pub listen: Option<SocketAddr>,
    /// The user said where, and should hear if nothing listens there because of `brokers`.
    pub is_asked: bool,
    pub users: Option<PathBuf>,
    /// Certificates and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub advertised: Option<(String, u16)>,
    pub auto_create_topics: bool,
    pub max_connections: usize,
}

#[derive(Clone)]
pub struct UpConfig {
    pub source: Source,
    /// None: the pipeline built into the binary.
    pub pipeline: Option<PathBuf>,
    pub data: PathBuf,
    pub warehouse: Warehouse,
    pub markets: String,
    pub http: SocketAddr,
    /// Asked of everybody who opens the page, if set.
    pub http_token: Option<String>,
    pub kafka: KafkaConfig,
    /// A Kafka cluster takes the place of the log in the data folder. The options below are how to talk to it.
    pub brokers: Option<String>,
    pub kafka_tls: bool,
    pub kafka_ca: Option<PathBuf>,
    /// One of SASL_MECHANISMS.
    pub kafka_sasl: Option<String>,
    pub kafka_username: Option<String>,
    pub kafka_password: Option<String>,
    pub postgres: SocketAddr,
    /// Asked of every PostgreSQL client, if set.
    pub postgres_password: Option<String>,
    pub checkpoint_interval: Duration,
    pub live_tail_bytes: usize,
    pub state_memory: usize,
    pub parallelism: usize,
    pub reset_changed_queries: bool,
    pub query_memory: usize,
    pub statement_timeout: Duration,
    pub log_retention: Duration,
    pub log_retention_bytes: u64,
    pub log_compressed: bool,
    pub log_fsync_interval: Duration,
    /// Overlapping connections to the exchange that ask for the same.
    pub connections: usize,
    /// A connection is renewed before it is older; None: never.
    pub connection_age: Option<Duration>,
    /// How often the exchange's list of markets is read again; None: never.
    pub market_list_interval: Option<Duration>,
    pub upbit_ws_url: String,
    pub upbit_rest_url: String,
    /// How often each market's trades are compared with the exchange's list; None: never without a gap.
    pub verify_interval: Option<Duration>,
    pub sim_markets: usize,
    pub sim_rate: f64,
    pub sim_seed: u64,
    pub log_level: String,
}

/// Looks up one option after the other and collects the mistakes.
struct Settings<'a> {
    flags: &'a [(&'static str, &'a Option<String>)],
    environment: &'a dyn Fn(&str) -> Option<String>,
    file: toml::Table,
    mistakes: Vec<String>,
}

impl UpConfig {
    pub fn load(args: &UpArgs) -> Result<UpConfig, Failure> {
        let file = match std::fs::read_to_string(FILE) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::user(format!("cannot read {FILE}: {error}"))),
        };
        UpConfig::resolve(args, &|name| std::env::var(name).ok(), &file)
    }

    pub fn resolve(
        args: &UpArgs,
        environment: &dyn Fn(&str) -> Option<String>,
        file: &str,
    ) -> Result<UpConfig, Failure> {
        let flags = flags(args);
        let file: toml::Table =
            file.parse().map_err(|error| Failure::user(format!("{FILE}: {}", format!("{error}").trim_end())))?;
        let unknown = file.keys().filter(|key| !flags.iter().any(|(name, _)| name == key));
        let mistakes = unknown.map(|key| format!("{FILE}: unknown key \"{key}\"; see hoga up --help")).collect();
        let mut settings = Settings { flags: &flags, environment, file, mistakes };
        let config = settings.up_config();
        if settings.mistakes.is_empty() { Ok(config) } else { Err(Failure::user(settings.mistakes.join("\n"))) }
    }
}

/// Every option by its name: the list that flags, environment and file share.
fn flags(args: &UpArgs) -> [(&'static str, &Option<String>); 48] {
    [
        ("source", &args.exchange.source),
        ("pipeline", &args.pipeline),
        ("data", &args.data),
        ("markets", &args.exchange.markets),
        ("http", &args.http),
        ("kafka", &args.kafka),
        ("kafka-users", &args.kafka_users),
        ("kafka-tls-cert", &args.kafka_tls_cert),
        ("kafka-tls-key", &args.kafka_tls_key),
        ("kafka-advertised", &args.kafka_advertised),
        ("kafka-auto-create", &args.kafka_auto_create),
        ("kafka-max-connections", &args.kafka_max_connections),
        ("brokers", &args.brokers),
        ("kafka-tls", &args.cluster.kafka_tls),
        ("kafka-ca", &args.cluster.kafka_ca),
        ("kafka-sasl", &args.cluster.kafka_sasl),
        ("kafka-username", &args.cluster.kafka_username),
        ("kafka-password", &args.cluster.kafka_password),
        ("postgres", &args.postgres),
        ("warehouse", &args.warehouse),
        ("s3-endpoint", &args.store.s3_endpoint),
        ("s3-region", &args.store.s3_region),
        ("s3-access-key", &args.store.s3_access_key),
        ("s3-secret-key", &args.store.s3_secret_key),
        ("s3-path-style", &args.store.s3_path_style),
        ("checkpoint-interval", &args.checkpoint_interval),
        ("live-tail-bytes", &args.live_tail_bytes),
        ("state-memory", &args.state_memory),
        ("parallelism", &args.parallelism),
        ("reset-changed-queries", &args.reset_changed_queries),
        ("query-memory", &args.query_memory),
        ("statement-timeout", &args.statement_timeout),
        ("log-retention", &args.log_retention),
        ("log-retention-bytes", &args.log_retention_bytes),
        ("log-compression", &args.log_compression),
        ("log-fsync-interval", &args.log_fsync_interval),
        ("connections", &args.exchange.connections),
        ("connection-age", &args.exchange.connection_age),
        ("market-list-interval", &args.exchange.market_list_interval),
        ("upbit-ws-url", &args.exchange.upbit_ws_url),
        ("upbit-rest-url", &args.exchange.upbit_rest_url),
        ("verify-interval", &args.exchange.verify_interval),
        ("sim-markets", &args.exchange.sim_markets),
        ("sim-rate", &args.exchange.sim_rate),
        ("sim-seed", &args.exchange.sim_seed),
        ("http-token", &args.http_token),
        ("postgres-password", &args.postgres_password),
        ("log-level", &args.log_level),
    ]
}

impl Settings<'_> {
    fn up_config(&mut self) -> UpConfig {
        let data = self.path("data", "hoga-data");
        let warehouse = self.warehouse(&data);
        let config = UpConfig {
            source: self.parse("source", "upbit", parse_source),
            pipeline: self.optional("pipeline").map(|(text, _)| PathBuf::from(text)),
            warehouse,
            data: absolute(&data),
            markets: self.parse("markets", "KRW", |text| Ok(text.to_owned())),
            http: self.parse("http", "127.0.0.1:8080", parse_address),
            kafka: self.kafka(),
            brokers: self.parse("brokers", "", parse_brokers),
            kafka_tls: self.parse("kafka-tls", "off", parse_switch),
            kafka_ca: self.optional("kafka-ca").map(|(text, _)| PathBuf::from(text)),
            kafka_sasl: self.parse("kafka-sasl", "", |text| match SASL_MECHANISMS.contains(&text) {
                true => Ok(Some(text.to_owned())),
                false if text.is_empty() => Ok(None),
                false => Err(format!("write one of {}", SASL_MECHANISMS.join(", "))),
            }),
            kafka_username: self.optional("kafka-username").map(|(text, _)| text),
            kafka_password: self.optional("kafka-password").map(|(text, _)| text),
            postgres: self.parse("postgres", "127.0.0.1:5433", parse_address),
            checkpoint_interval: self.parse("checkpoint-interval", "30s", at_least_100ms),
            live_tail_bytes: self.parse("live-tail-bytes", "24MiB", |text| Ok(parse_bytes(text)? as usize)),
            state_memory: self.parse("state-memory", "256MiB", |text| Ok(parse_bytes(text)? as usize)),
            parallelism: self.parse("parallelism", "2", |text| parse_number(text, 1.0, 64.0).map(|n| n as usize)),
            reset_changed_queries: self.parse("reset-changed-queries", "no", |text| match text {
                "yes" | "true" | "1" => Ok(true),
                "no" | "false" | "0" => Ok(false),
                _ => Err("write yes or no".into()),
            }),
            query_memory: self.parse("query-memory", "64MiB", |text| Ok(parse_bytes(text)? as usize)),
            statement_timeout: self.parse("statement-timeout", "60s", at_least_100ms),
            log_retention: self.parse("log-retention", "7d", parse_duration),
            log_retention_bytes: self.parse("log-retention-bytes", "10GiB", parse_bytes),
            log_compressed: self.parse("log-compression", "lz4", |text| match text {
                "lz4" => Ok(true),
                "none" => Ok(false),
                _ => Err("write lz4 or none".into()),
            }),
            log_fsync_interval: self.parse("log-fsync-interval", "100ms", parse_duration),
            connections: self.parse("connections", "1", |text| {
                let connections = text.parse().ok().filter(|count| (1..=CONNECTIONS_MAX).contains(count));
                connections.ok_or_else(|| format!("write a number from 1 to {CONNECTIONS_MAX}"))
            }),
            connection_age: self.parse("connection-age", "12h", |text| match text {
                "off" => Ok(None),
                _ => match parse_duration(text)? {
                    age if age >= CONNECTION_AGE_MIN => Ok(Some(age)),
                    _ => Err("write 1s or more, or off".to_owned()),
                },
            }),
            market_list_interval: self.parse("market-list-interval", "1m", |text| match text {
                "off" => Ok(None),
                _ => match parse_duration(text)? {
                    interval if interval >= Duration::from_secs(1) => Ok(Some(interval)),
                    _ => Err("write 1s or more, or off".to_owned()),
                },
            }),
            upbit_ws_url: self.parse("upbit-ws-url", "wss://api.upbit.com/websocket/v1", |text| {
                parse_url(text, &["ws://", "wss://"])
            }),
            upbit_rest_url: self
                .parse("upbit-rest-url", "https://api.upbit.com", |text| parse_url(text, &["http://", "https://"])),
            verify_interval: self.parse("verify-interval", "2m", |text| match text {
                "off" => Ok(None),
                _ => match parse_duration(text)? {
                    interval if interval >= Duration::from_secs(1) => Ok(Some(interval)),
                    _ => Err("write 1s or more, or off".to_owned()),
                },
            }),
            sim_markets: self.parse("sim-markets", "50", |text| parse_number(text, 1.0, 5_000.0).map(|n| n as usize)),
            sim_rate: self.parse("sim-rate", "500", |text| parse_number(text, 0.1, 1_000_000.0)),
            sim_seed: self.parse("sim-seed", "1", |text| text.parse().map_err(|_| "write a whole number".to_owned())),
            log_level: self.parse("log-level", "info", |text| Ok(text.to_owned())),
            http_token: self.optional("http-token").map(|(text, _)| text),
            postgres_password: self.optional("postgres-password").map(|(text, _)| text),
        };
        self.check_login(&config);
        config
    }

    fn warehouse(&mut self, data: &Path) -> Warehouse {
        let location = self.optional("warehouse").map(|(text, _)| text);
        let option = |name: &'static str| self.optional(name).map(|(text, _)| text);
        Warehouse::resolve(location.as_deref(), data, option).unwrap_or_else(|mistake| {
            self.mistakes.push(mistake);
            Warehouse::Folder(data.to_owned())
        })
    }

    /// The parts of a login belong together.
    fn check_login(&mut self, config: &UpConfig) {
        let parts = (&config.kafka_sasl, &config.kafka_username, &config.kafka_password);
        let mistake = match parts {
            (None, None, None) | (Some(_), Some(_), Some(_)) => None,
            (None, _, _) => Some(format!("kafka-sasl is missing: write one of {}", SASL_MECHANISMS.join(", "))),
            (Some(_), None, _) => {
                Some("kafka-username is missing: kafka-sasl needs it (HOGA_KAFKA_USERNAME)".to_owned())
            }
            (Some(_), _, None) => {
                Some("kafka-password is missing: kafka-sasl needs it (HOGA_KAFKA_PASSWORD)".to_owned())
            }
        };
        self.mistakes.extend(mistake);
        if let Some(file) = &config.kafka_ca
            && !file.is_file()
        {
            self.mistakes.push(format!("kafka-ca: \"{}\" is not a file", file.display()));
        }
    }

    /// The value as text and where it came from.
    fn optional(&mut self, name: &str) -> Option<(String, String)> {
        let flag = self.flags.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_ref());
        if let Some(value) = flag {
            return Some((value.clone(), format!("--{name}")));
        }
        let variable = variable_of(name);
        if let Some(value) = (self.environment)(&variable) {
            return Some((value, variable));
        }
        let value = match self.file.get(name)? {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            other => {
                self.mistakes.push(format!("{FILE}: {name}: write a text or a number, not a {}", other.type_str()));
                return None;
            }
        };
        Some((value, format!("{FILE}: {name}")))
    }

    fn parse<T>(&mut self, name: &str, default: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        if let Some((value, origin)) = self.optional(name) {
            match parse(&value) {
                Ok(parsed) => return parsed,
                Err(hint) => self.mistakes.push(format!("{origin}: \"{value}\" is not valid: {hint}")),
            }
        }
        match parse(default) {
            Ok(parsed) => parsed,
            Err(hint) => unreachable!("the default of {name} is valid: {hint}"),
        }
    }

    fn kafka(&mut self) -> KafkaConfig {
        let mut file = |name| self.optional(name).map(|(text, _)| PathBuf::from(text));
        let (users, certificates, key) = (file("kafka-users"), file("kafka-tls-cert"), file("kafka-tls-key"));
        if certificates.is_some() != key.is_some() {
            self.mistakes.push("kafka-tls-cert and kafka-tls-key are needed together".to_owned());
        }
        let listen = |text: &str| if text == "off" { Ok(None) } else { parse_address(text).map(Some) };
        let (is_asked, listen) = (self.optional("kafka").is_some(), self.parse("kafka", "127.0.0.1:9092", listen));
        KafkaConfig {
            is_asked: is_asked && listen.is_some(),
            listen,
            users,
            tls: certificates.zip(key),
            advertised: self.optional("kafka-advertised").and_then(|(text, origin)| {
                let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
                if parsed.is_none() {
                    self.mistakes
                        .push(format!("{origin}: \"{text}\" is not valid: write a host and a port, as broker:9092"));
                }
                parsed
            }),
            auto_create_topics: self.parse("kafka-auto-create", "off", |text| match text {
                "on" => Ok(true),
                "off" => Ok(false),
                _ => Err("write on or off".into()),
            }),
            max_connections: self
                .parse("kafka-max-connections", "1000", |text| parse_number(text, 1.0, 100_000.0).map(|n| n as usize)),
        }
    }

    fn path(&mut self, name: &str, default: &str) -> PathBuf {
        PathBuf::from(self.optional(name).map_or_else(|| default.to_owned(), |(text, _)| text))
    }
}

fn parse_source(text: &str) -> Result<Source, String> {
    match text.split_once(':') {
        _ if text == "upbit" => Ok(Source::Upbit),
        _ if text == "sim" => Ok(Source::Sim),
        Some(("replay", path)) if !path.is_empty() => Ok(Source::Replay(PathBuf::from(path))),
        _ => Err("write upbit, sim or replay:FILE.jsonl".into()),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, as 127.0.0.1:8080".into())
}

/// None if nothing is said.
fn parse_brokers(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let brokers: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_address = |broker: &&str| {
        let parts = broker.rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
    };
    match brokers.iter().all(is_address) {
        true => Ok(Some(brokers.join(","))),
        false => Err("write HOST:PORT, several with commas, as kafka-1:9092,kafka-2:9092".into()),
    }
}

fn at_least_100ms(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        short if short < Duration::from_millis(100) => Err("the shortest is 100ms".into()),
        long => Ok(long),
    }
}

fn parse_url(text: &str, schemes: &[&str]) -> Result<String, String> {
    match schemes.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(format!("it begins with {}", schemes.join(" or "))),
    }
}

fn parse_number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("write a number from {least} to {most}"))
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("write on or off".into()),
    }
}

/// The environment variable of an option.
pub fn variable_of(option: &str) -> String {
    format!("HOGA_{}", option.replace('-', "_").to_uppercase())
}

/// Paimon wants absolute paths, and messages are clearer with them.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
