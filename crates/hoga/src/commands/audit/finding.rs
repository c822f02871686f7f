//! What an audit can find, as a line for people and as JSON.

use hoga_model::time::utc_iso;
use serde::{Serialize, Serializer};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Finding {
    /// A bar is not what its trades give.
    Bar {
        table: &'static str,
        market: String,
        #[serde(serialize_with = "iso")]
        start: i64,
        problem: Problem,
        values: Vec<Values>,
    },
    /// The trades of a minute are not what the exchange's own bar of it says.
    Minute {
        market: String,
        #[serde(serialize_with = "iso")]
        start: i64,
        problem: Problem,
        values: Vec<Values>,
    },
    /// A trade is there more than once.
    Duplicate { market: String, sequential_id: i64, rows: i64 },
    /// Trades of this time may be missing.
    Gap {
        market: String,
        #[serde(serialize_with = "iso")]
        from: i64,
        #[serde(serialize_with = "iso_or_null")]
        to: Option<i64>,
        cause: String,
        state: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Problem {
    /// Nothing is there, and something should be.
    Missing,
    /// Something is there, and nothing should be.
    Extra,
    Differs,
}

/// One column: what is there, and what should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Values {
    pub column: &'static str,
    pub found: Option<String>,
    pub expected: Option<String>,
}

impl Finding {
    /// Equal for what two looks found of the same thing.
    pub fn is_about(&self, other: &Finding) -> bool {
        match (self, other) {
            (
                Finding::Bar { table, market, start, .. },
                Finding::Bar { table: other_table, market: other_market, start: other_start, .. },
            ) => (table, market, start) == (other_table, other_market, other_start),
            _ => self == other,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Bar { table, market, start, problem, values } => {
                write!(f, "bar        {market} {table} {} {}", utc_iso(*start), problem.in_words("from its trades"))?;
                write_values(f, values, "its trades give")
            }
            Finding::Minute { market, start, problem, values } => {
                write!(f, "minute     {market} {} {}", utc_iso(*start), problem.in_words("by the exchange"))?;
                write_values(f, values, "the exchange says")
            }
            Finding::Duplicate { market, sequential_id, rows } => {
                write!(f, "duplicate  {market} {sequential_id} is there {rows} times")
            }
            Finding::Gap { market, from, to, cause, state } => {
                let to = to.map_or("now".to_owned(), utc_iso);
                write!(f, "gap        {market} {} to {to} {state} ({cause})", utc_iso(*from))
            }
        }
    }
}

impl Problem {
    fn in_words(self, against: &str) -> String {
        match self {
            Problem::Missing => format!("is missing, and should be there {against}"),
            Problem::Extra => format!("is there, and should not be {against}"),
            Problem::Differs => "differs".to_owned(),
        }
    }
}

fn write_values(f: &mut fmt::Formatter<'_>, values: &[Values], who: &str) -> fmt::Result {
    for (index, Values { column, found, expected }) in values.iter().enumerate() {
        let separator = if index == 0 { ": " } else { ", " };
        let text = |value: &Option<String>| value.as_deref().unwrap_or("nothing").to_owned();
        write!(f, "{separator}{column} {} ({who} {})", text(found), text(expected))?;
    }
    Ok(())
}

fn iso<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&utc_iso(*ms))
}

fn iso_or_null<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    ms.map(utc_iso).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_json_say_the_same() {
        let values = vec![Values { column: "close", found: Some("1.5".to_owned()), expected: None }];
        let finding = Finding::Bar {
            table: "candle_1m",
            market: "KRW-BTC".into(),
            start: 60_000,
            problem: Problem::Differs,
            values,
        };
        assert_eq!(
            finding.to_string(),
            "bar        KRW-BTC candle_1m 1970-01-01T00:01:00.000Z differs: close 1.5 (its trades give nothing)"
        );
        assert_eq!(
            serde_json::to_string(&finding).expect("JSON"),
            r#"{"kind":"bar","table":"candle_1m","market":"KRW-BTC","start":"1970-01-01T00:01:00.000Z","problem":"differs","values":[{"column":"close","found":"1.5","expected":null}]}"#
        );
        let gap =
            Finding::Gap { market: "KRW-BTC".into(), from: 0, to: None, cause: "stall".into(), state: "open".into() };
        assert_eq!(gap.to_string(), "gap        KRW-BTC 1970-01-01T00:00:00.000Z to now open (stall)");
        assert!(serde_json::to_string(&gap).expect("JSON").contains(r#""to":null"#));
        assert!(finding.is_about(&finding) && !finding.is_about(&gap));
    }
}
