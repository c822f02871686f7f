//! The settings of one session: what `SET`, `SHOW`, `RESET` and the startup message speak about. Pure.
//!
//! Drivers set many things at connect; what has no meaning here is remembered, so that `SHOW` answers it, and nothing
//! else. What has one: `TimeZone` (how a timestamptz is printed), `statement_timeout` (never above the server's).
//! `search_path` cannot move: unqualified names are in `upbit`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::civil::Zone;
use super::failure::{FEATURE_NOT_SUPPORTED, Failure, INVALID_PARAMETER_VALUE};

/// Reported as the version of the server: psql 15 and newer send the catalog queries of 15 then.
pub(super) const SERVER_VERSION: &str = concat!("15.0 (hoga ", env!("CARGO_PKG_VERSION"), ")");
pub(super) const SERVER_VERSION_NUMBER: &str = "150000";

/// One session remembers at most so many settings it has never heard of.
const UNKNOWN_SETTINGS_MAX: usize = 100;

/// Name as it is reported, default, and whether a change is reported to the client (`ParameterStatus`).
const KNOWN: &[(&str, &str, bool)] = &[
    ("server_version", SERVER_VERSION, true),
    ("server_version_num", SERVER_VERSION_NUMBER, false),
    ("server_encoding", "UTF8", true),
    ("client_encoding", "UTF8", true),
    ("application_name", "", true),
    ("DateStyle", "ISO, MDY", true),
    ("IntervalStyle", "postgres", true),
    ("TimeZone", "UTC", true),
    ("integer_datetimes", "on", true),
    ("standard_conforming_strings", "on", true),
    ("is_superuser", "off", true),
    ("session_authorization", "", true),
    ("in_hot_standby", "off", true),
    ("default_transaction_read_only", "on", true),
    ("search_path", "upbit", false),
    ("transaction_isolation", "read committed", false),
    ("default_transaction_isolation", "read committed", false),
    ("transaction_read_only", "on", false),
    ("statement_timeout", "0", false),
    ("lock_timeout", "0", false),
    ("idle_in_transaction_session_timeout", "0", false),
    ("extra_float_digits", "1", false),
    ("client_min_messages", "notice", false),
    ("bytea_output", "hex", false),
    ("max_identifier_length", "63", false),
    ("max_index_keys", "32", false),
    ("block_size", "8192", false),
    ("row_security", "on", false),
    ("ssl", "off", false),
    ("jit", "off", false),
    ("lc_collate", "C.UTF-8", false),
    ("lc_ctype", "C.UTF-8", false),
    ("lc_messages", "C.UTF-8", false),
    ("lc_monetary", "C.UTF-8", false),
    ("lc_numeric", "C.UTF-8", false),
    ("lc_time", "C.UTF-8", false),
];

/// Not for a session to say.
const FIXED: &[&str] = &[
    "server_version",
    "server_version_num",
    "server_encoding",
    "integer_datetimes",
    "is_superuser",
    "in_hot_standby",
    "max_identifier_length",
    "max_index_keys",
    "block_size",
    "ssl",
];

/// In the startup message, but no setting.
const STARTUP_ONLY: &[&str] = &["user", "database", "options", "replication"];

#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Lower-case name → value; the ones at their default are absent.
    values: BTreeMap<String, String>,
    startup: BTreeMap<String, String>,
    zone: Zone,
}

impl Settings {
    /// Settings of a startup message that make no sense are left at their defaults, as a typo in `PGTZ` should not
    /// lock anybody out.
    pub(super) fn from_startup(parameters: &std::collections::HashMap<String, String>) -> Settings {
        let mut settings = Settings { values: BTreeMap::new(), startup: BTreeMap::new(), zone: Zone::Utc };
        if let Some(user) = parameters.get("user") {
            settings.values.insert("session_authorization".to_owned(), user.clone());
        }
        for (name, value) in parameters {
            if !STARTUP_ONLY.contains(&name.as_str()) && !name.starts_with("_pq_.") {
                let _ = settings.set(name, value);
            }
        }
        for (name, value) in parameters.get("options").map(|text| command_line(text)).unwrap_or_default() {
            let _ = settings.set(&name, &value);
        }
        settings.startup = settings.values.clone();
        settings
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// `None`: no such setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let name = canonical_name(name);
        let default = || KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&name)).map(|known| known.1);
        self.values.get(&name).map(String::as_str).or_else(default)
    }

    /// Returns the name and value to report to the client, if this setting is one that is reported.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<Option<(&'static str, String)>, Failure> {
        let key = canonical_name(name);
        if FIXED.contains(&key.as_str()) {
            return Err(Failure::new("55P02", format!("parameter \"{key}\" cannot be changed")));
        }
        let value = match key.as_str() {
            "timezone" => {
                self.zone = Zone::parse(value).ok_or_else(|| invalid(name, value))?;
                value.trim().to_owned()
            }
            "client_encoding" => match value.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
                "utf8" | "unicode" => "UTF8".to_owned(),
                _ => {
                    let message = format!("client_encoding \"{value}\" is not supported");
                    return Err(Failure::new(FEATURE_NOT_SUPPORTED, message).with_hint("hoga speaks UTF8"));
                }
            },
            "datestyle" if !value.to_ascii_lowercase().contains("iso") => "ISO, MDY".to_owned(),
            "statement_timeout" => {
                parse_duration_ms(value).ok_or_else(|| invalid(name, value))?;
                value.to_owned()
            }
            _ => value.to_owned(),
        };
        let known = KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&key));
        if known.is_none() && !self.values.contains_key(&key) && self.values.len() >= UNKNOWN_SETTINGS_MAX + KNOWN.len()
        {
            return Err(Failure::new(
                "53400",
                format!("more than {UNKNOWN_SETTINGS_MAX} unknown settings in one session"),
            ));
        }
        self.values.insert(key, value.clone());
        Ok(known.filter(|(.., reported)| *reported).map(|(name, ..)| (*name, value)))
    }

    /// Back to what the session started with.
    pub(super) fn reset(&mut self, name: &str) -> Option<(&'static str, String)> {
        let key = canonical_name(name);
        match self.startup.get(&key) {
            Some(value) => self.values.insert(key.clone(), value.clone()),
            None => self.values.remove(&key),
        };
        if key == "timezone" {
            self.zone = self.get("timezone").and_then(Zone::parse).unwrap_or(Zone::Utc);
        }
        let reported = KNOWN.iter().find(|(known, _, reported)| *reported && known.eq_ignore_ascii_case(&key))?.0;
        Some((reported, self.get(&key).unwrap_or_default().to_owned()))
    }

    pub(super) fn reset_all(&mut self) -> Vec<(&'static str, String)> {
        let names: Vec<String> = self.values.keys().cloned().collect();
        names.iter().filter_map(|name| self.reset(name)).collect()
    }

    /// Every known setting, for `SHOW ALL`; and the ones to report after the start.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str, bool)> {
        KNOWN.iter().map(|(name, _, reported)| (*name, self.get(name).unwrap_or_default(), *reported))
    }

    /// How long a statement of this session may run: what it asked for, and never longer than the server allows.
    pub(super) fn statement_timeout(&self, server: Duration) -> Duration {
        match self.get("statement_timeout").and_then(parse_duration_ms) {
            Some(ms) if ms > 0 => server.min(Duration::from_millis(ms)),
            _ => server,
        }
    }
}

fn canonical_name(name: &str) -> String {
    match name.trim().to_ascii_lowercase().as_str() {
        "time zone" | "time.zone" => "timezone".to_owned(),
        "transaction isolation level" | "transaction.isolation.level" => "transaction_isolation".to_owned(),
        "session authorization" => "session_authorization".to_owned(),
        "names" => "client_encoding".to_owned(),
        other => other.to_owned(),
    }
}

fn invalid(name: &str, value: &str) -> Failure {
    Failure::new(INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{value}\""))
}

/// `500`, `500ms`, `5s`, `2min`: milliseconds when there is no unit.
fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.trim().trim_matches('\'');
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit_ms = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms)
}

/// `-c name=value --name=value` of the startup option `options`.
fn command_line(text: &str) -> Vec<(String, String)> {
    text.split_ascii_whitespace()
        .filter(|word| *word != "-c")
        .filter_map(|word| word.trim_start_matches("-c").trim_start_matches("--").split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(parameters: &[(&str, &str)]) -> Settings {
        Settings::from_startup(&parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn startup_parameters_are_settings() {
        let settings =
            started(&[("user", "ann"), ("TimeZone", "Asia/Seoul"), ("options", "-c statement_timeout=5s --x.y=1")]);
        assert_eq!(settings.get("session_authorization"), Some("ann"));
        assert_eq!(settings.get("timezone"), Some("Asia/Seoul"));
        assert_eq!(settings.get("x.y"), Some("1"));
        assert_eq!(settings.get("nonsense"), None);
        assert_eq!(settings.statement_timeout(Duration::from_secs(60)), Duration::from_secs(5));
        assert_eq!(settings.statement_timeout(Duration::from_secs(2)), Duration::from_secs(2));
    }

    #[test]
    fn changes_are_checked_reported_and_undone() {
        let mut settings = started(&[("application_name", "psql")]);
        assert_eq!(settings.set("timezone", "Asia/Seoul").expect("set"), Some(("TimeZone", "Asia/Seoul".to_owned())));
        assert_eq!(settings.set("search_path", "x").expect("set"), None);
        assert!(settings.set("TIME ZONE", "Mars/Olympus").is_err());
        assert!(settings.set("client_encoding", "LATIN1").is_err());
        assert!(settings.set("server_version", "99").is_err());
        assert!(settings.set("statement_timeout", "soon").is_err());
        settings.set("application_name", "other").expect("set");
        let reported = settings.reset_all();
        assert!(reported.contains(&("TimeZone", "UTC".to_owned())), "{reported:?}");
        assert_eq!(settings.get("application_name"), Some("psql"));
    }

    #[test]
    fn unknown_settings_have_a_limit() {
        let mut settings = started(&[]);
        let all = (0..1_000).map(|n| settings.set(&format!("x.{n}"), "1")).filter(Result::is_ok).count();
        assert!(all < 200, "{all}");
    }
}
