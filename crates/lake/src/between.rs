//! Which changes of a table are asked for: after one snapshot, up to and with another, named by Paimon's options.

use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::moment::Moment;

const SNAPSHOTS_OR_TAGS: &str = "incremental-between";
const TIMES: &str = "incremental-between-timestamp";

/// Snapshots after the first, up to and with the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    pub after: i64,
    pub to: i64,
}

/// A [`Between`] as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Snapshots(Between),
    Tags(String, String),
    /// Milliseconds since the epoch: commits after the first, up to and with the second.
    Times(i64, i64),
}

impl Span {
    /// The names of Paimon's options for it.
    pub const OPTIONS: [&str; 2] = [SNAPSHOTS_OR_TAGS, TIMES];

    /// What an option with this value says: `3,7` or `monday,tuesday`; of times milliseconds since 1970 or
    /// `2026-11-26 22:00:00,2026-11-26 23:00:00` (UTC). The error says what is wrong.
    pub fn of_option(option: &str, value: &str) -> std::result::Result<Span, String> {
        let wrong = |what: &str| format!("'{option}' = '{value}' is not {what}");
        let halves = value.split_once(',').map(|(after, to)| (after.trim(), to.trim()));
        let halves = halves.filter(|(after, to)| !after.is_empty() && !to.is_empty());
        if option == TIMES {
            let time = |text: &str| match text.parse::<i64>() {
                Ok(ms) => Some(ms),
                Err(_) => match Moment::of_option("scan.timestamp", text) {
                    Ok(Moment::Time(ms)) => Some(ms),
                    _ => None,
                },
            };
            let times = halves.and_then(|(after, to)| Some(Span::Times(time(after)?, time(to)?)));
            return times.ok_or_else(|| wrong("two times like '2026-11-26 22:00:00,2026-11-26 23:00:00'"));
        }
        let (after, to) = halves.ok_or_else(|| wrong("two snapshots like '3,7', or two tags"))?;
        Ok(match (after.parse(), to.parse()) {
            (Ok(after), Ok(to)) => Span::Snapshots(Between { after, to }),
            _ => Span::Tags(after.to_owned(), to.to_owned()),
        })
    }
}

impl LiveTable {
    /// The snapshots that a span names. Before the first snapshot nothing was there: a time or 0 may lie before it.
    ///
    /// # Errors
    /// There is no such tag.
    pub async fn between(&self, span: &Span) -> Result<Between> {
        Ok(match span {
            Span::Snapshots(between) => *between,
            Span::Tags(after, to) => {
                let id = async |tag: &str| match self.pinned_tag(tag).await? {
                    Some(pinned) => Ok(pinned.snapshot.id()),
                    None => Err::<i64, LakeError>(self.unknown_tag(tag).await?),
                };
                Between { after: id(after).await?, to: id(to).await? }
            }
            Span::Times(after_ms, to_ms) => {
                let before_all = self.first_and_last().await?.map_or(0, |(first, _)| first.id() - 1);
                let id = async |ms: i64| {
                    let snapshot = self.snapshot_at(ms).await?;
                    Ok::<i64, LakeError>(snapshot.map_or(before_all, |snapshot| snapshot.id()))
                };
                Between { after: id(*after_ms).await?, to: id(*to_ms).await? }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_paimons() {
        let snapshots = |after, to| Ok(Span::Snapshots(Between { after, to }));
        for (option, value, expected) in [
            (SNAPSHOTS_OR_TAGS, "3,7", snapshots(3, 7)),
            (SNAPSHOTS_OR_TAGS, " 0 , 7 ", snapshots(0, 7)),
            (SNAPSHOTS_OR_TAGS, "mon,tue", Ok(Span::Tags("mon".into(), "tue".into()))),
            (SNAPSHOTS_OR_TAGS, "3,tue", Ok(Span::Tags("3".into(), "tue".into()))),
            (SNAPSHOTS_OR_TAGS, "3", Err("'incremental-between' = '3' is not two snapshots like '3,7', or two tags")),
            (TIMES, "1000, 1970-01-01 00:00:02", Ok(Span::Times(1_000, 2_000))),
            (
                TIMES,
                "noon,1",
                Err(
                    "'incremental-between-timestamp' = 'noon,1' is not two times like '2026-11-26 22:00:00,2026-11-26 23:00:00'",
                ),
            ),
        ] {
            assert_eq!(Span::of_option(option, value), expected.map_err(str::to_owned), "{option} {value}");
        }
    }
}
