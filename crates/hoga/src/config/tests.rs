//! Precedence, units, and that all mistakes are told at once, each with its origin.

use super::*;
use crate::cli::ExchangeArgs;

fn resolve(args: UpArgs, environment: &[(&str, &str)], file: &str) -> Result<UpConfig, String> {
    let lookup =
        |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    UpConfig::resolve(&args, &lookup, file).map_err(|failure| failure.message().to_owned())
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let file = "markets = \"BTC\"\nhttp = \"127.0.0.1:1\"\npostgres = \"127.0.0.1:2\"\nsim-markets = 7";
    let environment = [("HOGA_MARKETS", "USDT"), ("HOGA_HTTP", "127.0.0.1:3")];
    let args = UpArgs {
        exchange: ExchangeArgs { markets: Some("all".into()), ..ExchangeArgs::default() },
        ..UpArgs::default()
    };
    let config = resolve(args, &environment, file).expect("all values are valid");
    assert_eq!(config.markets, "all");
    assert_eq!(config.http.port(), 3);
    assert_eq!(config.postgres.port(), 2);
    assert_eq!(config.sim_markets, 7);
    assert_eq!(config.checkpoint_interval, Duration::from_secs(30));
    let Warehouse::Folder(warehouse) = &config.warehouse else { unreachable!("a folder by default") };
    assert!(warehouse.ends_with("hoga-data/warehouse") && warehouse.is_absolute());
}

#[test]
fn all_mistakes_at_once_with_their_origin() {
    let args = UpArgs {
        exchange: ExchangeArgs { source: Some("binance".into()), ..ExchangeArgs::default() },
        ..UpArgs::default()
    };
    let message = resolve(args, &[("HOGA_CHECKPOINT_INTERVAL", "abc")], "colour = \"red\"\nhttp = true");
    let Err(message) = message else { unreachable!("four mistakes") };
    for part in
        ["--source: \"binance\"", "HOGA_CHECKPOINT_INTERVAL: \"abc\"", "unknown key \"colour\"", "hoga.toml: http:"]
    {
        assert!(message.contains(part), "{part} in\n{message}");
    }
}

#[test]
fn units() {
    for (text, ms) in [("500ms", 500), ("1.5s", 1_500), ("2m", 120_000), ("7d", 604_800_000)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    for (text, bytes) in [("64MiB", 67_108_864), ("10GB", 10_000_000_000), ("12", 12)] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for bad in ["", "s", "5", "-1s", "1y", "NaNs"] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_cluster_and_its_login() {
    let config = resolve(UpArgs { brokers: Some("a:9092, [::1]:9093".into()), ..UpArgs::default() }, &[], "");
    assert_eq!(config.map(|config| config.brokers), Ok(Some("a:9092,[::1]:9093".to_owned())));
    let login =
        [("HOGA_KAFKA_SASL", "scram-sha-512"), ("HOGA_KAFKA_USERNAME", "ada"), ("HOGA_KAFKA_PASSWORD", "geheim")];
    assert!(resolve(UpArgs::default(), &login, "").is_ok());
    for (environment, file, want) in [
        (&[("HOGA_BROKERS", "kafka")][..], "", "HOGA_BROKERS: \"kafka\""),
        (&login[..1], "", "kafka-username is missing"),
        (&login[..2], "", "kafka-password is missing"),
        (&login[1..], "", "kafka-sasl is missing"),
        (&[("HOGA_KAFKA_SASL", "gssapi")][..], "", "scram-sha-256"),
        (&[][..], "kafka-ca = \"/nowhere\"", "\"/nowhere\" is not a file"),
    ] {
        let Err(message) = resolve(UpArgs::default(), environment, file) else { unreachable!("{want}") };
        assert!(message.contains(want) && !message.contains("geheim"), "{message}");
    }
}
