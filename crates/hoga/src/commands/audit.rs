//! `hoga audit`: is every bar what its trades give, every trade there once, and none missing, by the exchange's own minutes and by the ledger?
//!
//! In: a running hoga or a data folder, and the exchange's REST. Out: a line a finding and a summary on standard output, progress on standard
//! error, exit code 1 if there is a difference. Nothing is changed.

mod finding;
mod minutes;
mod queries;

use crate::cli::AuditArgs;
use crate::commands::sql::connect;
use crate::commands::{status, times};
use crate::config::parse_duration;
use crate::failure::Failure;
use crate::output;
use finding::Finding;
use hoga_engine::bars::Size;
use hoga_model::time::{Clock, MS_PER_DAY, SystemClock, parse_utc, utc_iso};
use hoga_upbit::rest::candles::CandlesClient;
use queries::{Found, GapRow, Tables};
use serde::Serialize;
use std::io::Write as _;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A difference counts if it is still there at the last look: a trade that came late, and the bar that is computed again for it, are on their way.
const LOOKS: usize = 6;
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// A question about bars covers so many of one market at most: what it keeps in memory is bounded, whatever the day.
const BARS_AT_ONCE: i64 = 240;
const HOUR_MS: i64 = 3_600_000;
/// Duplicates are looked for in so much time at once.
const DUPLICATES_MS: i64 = 4 * HOUR_MS;
/// The newest trade was received at the latest so long after it was executed.
const ON_THE_WAY_MS: i64 = 10_000;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(args: &AuditArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(crate::up::topology::QUERY_PARTITIONS)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        let client = connect(&args.tables, &cancel).await?;
        let mut audit = Audit::begin(args, Tables::open(client, &args.markets).await?)?;
        audit.all().await?;
        cancel.cancel();
        audit.report()
    })
}

struct Audit<'a> {
    args: &'a AuditArgs,
    tables: Tables,
    /// What is looked at, the end exclusive.
    from_ms: i64,
    to_ms: i64,
    settle: Duration,
    summary: Summary,
    progress: Progress,
}

/// What was compared, and what was found.
#[derive(Debug, Default, Serialize)]
struct Summary {
    kind: &'static str,
    /// The days that have trades.
    days: usize,
    trades: u64,
    /// Bars of all sizes that were compared with their trades.
    bars: u64,
    bars_different: u64,
    duplicates: u64,
    /// Minutes that were compared with the exchange's; None if it was not asked.
    minutes: Option<u64>,
    minutes_different: u64,
    /// Trade gaps.
    gaps_open: u64,
    gaps_pending: u64,
    gaps_lost: u64,
    gaps_repaired: u64,
    /// Gaps of tickers and order books, which nobody can repair; no difference.
    gaps_of_tickers_and_books: u64,
    /// Up to when every market's trades were compared with the exchange's own list, ISO 8601; None if nobody says.
    compared_up_to: Option<String>,
    notes: Vec<String>,
    differences: u64,
    clean: bool,
}

impl<'a> Audit<'a> {
    fn begin(args: &'a AuditArgs, tables: Tables) -> Result<Audit<'a>, Failure> {
        let now_ms = SystemClock.now_ms();
        let (from_ms, to_ms) = times::span(&args.span, now_ms)?;
        let end_of_today = (now_ms.div_euclid(MS_PER_DAY) + 1) * MS_PER_DAY;
        let (from_ms, to_ms) = (from_ms.unwrap_or(0), to_ms.unwrap_or(end_of_today));
        if from_ms >= to_ms {
            return Err(Failure::user("--from is in the future"));
        }
        let settle = parse_duration(&args.settle).map_err(|hint| Failure::user(format!("--settle: {hint}")))?;
        let summary = Summary { kind: "summary", ..Summary::default() };
        Ok(Audit { args, tables, from_ms, to_ms, settle, summary, progress: Progress::default() })
    }

    async fn all(&mut self) -> Result<(), Failure> {
        self.progress.tell("which days have trades");
        let days = self.tables.days(self.from_ms, self.to_ms).await?;
        self.summary.days = days.len();
        self.summary.trades = days.iter().map(|(_, trades)| trades).sum();
        let days: Vec<i64> = days.iter().filter_map(|(day, _)| parse_utc(day)).collect();
        self.bars(&days).await?;
        self.duplicates(&days).await?;
        let gaps = self.tables.gaps(self.from_ms, self.to_ms).await?;
        self.minutes(&days, &gaps).await?;
        self.gaps(&gaps)?;
        self.compared_up_to().await
    }

    /// Bars of every size. Trades that have expired give no bars any more: only days that have some are looked at.
    async fn bars(&mut self, days: &[i64]) -> Result<(), Failure> {
        let mut suspects = Vec::new();
        for size in Size::ALL {
            if !self.tables.has(size.table()) {
                self.note(format!("there is no table upbit.{}", size.table()));
                continue;
            }
            let closed_ms = self.tables.closed_ms(size).await?.unwrap_or(i64::MIN);
            for span in self.spans(days, size, size.ms() * BARS_AT_ONCE) {
                self.progress.tell(&format!("{} from {}", size.table(), utc_iso(span.0)));
                self.summary.bars += self.tables.count_bars(size, span.0, span.1).await?;
                let found = self.tables.bar_differences(size, span, closed_ms).await?;
                if found.total > 0 {
                    suspects.push(Suspects { size, span, closed_ms, found });
                }
            }
        }
        // a folder does not change
        let looks = if self.args.tables.data.is_some() { 1 } else { LOOKS };
        for look in 1..looks {
            if suspects.is_empty() {
                break;
            }
            self.progress.tell(&format!("looking again at {} spans of bars ({look} of {})", suspects.len(), looks - 1));
            tokio::time::sleep(LOOK_INTERVAL).await;
            for suspect in &mut suspects {
                let now = self.tables.bar_differences(suspect.size, suspect.span, suspect.closed_ms).await?;
                suspect.found = still_there(std::mem::take(&mut suspect.found), now);
            }
            suspects.retain(|suspect| suspect.found.total > 0);
        }
        for suspect in suspects {
            self.summary.bars_different += suspect.found.total;
            self.tell(suspect.found)?;
        }
        Ok(())
    }

    async fn duplicates(&mut self, days: &[i64]) -> Result<(), Failure> {
        for day_ms in days {
            for from_ms in (*day_ms..day_ms + MS_PER_DAY).step_by(DUPLICATES_MS as usize) {
                let (from_ms, to_ms) = (from_ms.max(self.from_ms), (from_ms + DUPLICATES_MS).min(self.to_ms));
                if from_ms < to_ms {
                    self.progress.tell(&format!("duplicates from {}", utc_iso(from_ms)));
                    let found = self.tables.duplicates(from_ms, to_ms).await?;
                    self.summary.duplicates += found.total;
                    self.tell(found)?;
                }
            }
        }
        Ok(())
    }

    /// Trades against the exchange's own minute bars.
    async fn minutes(&mut self, days: &[i64], gaps: &[GapRow]) -> Result<(), Failure> {
        let (false, Some(first), Some(last)) = (self.args.no_rest, days.first(), days.last()) else { return Ok(()) };
        if !self.tables.has("gap") {
            self.note(
                "there is no table upbit.gap: nothing says which minutes are complete, so none was compared".into(),
            );
            return Ok(());
        }
        let newest_ms = self.tables.newest_ms().await?.unwrap_or(0) - ON_THE_WAY_MS;
        let settled_ms = SystemClock.now_ms() - self.settle.as_millis() as i64;
        let from_ms = self.from_ms.max(*first);
        let to_ms = self.to_ms.min(last + MS_PER_DAY).min(settled_ms).min(newest_ms);
        if from_ms >= to_ms {
            self.summary.minutes = Some(0);
            return Ok(());
        }
        let mut client = CandlesClient::new(&self.args.upbit_rest_url).map_err(|error| Failure::of(&error))?;
        let progress = &mut self.progress;
        let mut tell = |text: &str| progress.tell(text);
        let compared = minutes::compare(&self.tables, &mut client, gaps, (from_ms, to_ms), &mut tell).await?;
        for note in compared.notes {
            self.note(note);
        }
        if let Some(reason) = compared.unreachable {
            let reason = format!("the exchange cannot be asked for its minutes: {reason}");
            if self.args.rest {
                return Err(Failure::external(reason));
            }
            self.note(format!("{reason}; {} were compared", compared.minutes));
        }
        self.summary.minutes = Some(compared.minutes);
        self.summary.minutes_different = compared.findings.len() as u64;
        self.tell(Found { total: compared.findings.len() as u64, findings: compared.findings })
    }

    fn gaps(&mut self, gaps: &[GapRow]) -> Result<(), Failure> {
        let mut found = Found::default();
        for gap in gaps.iter().filter(|gap| gap.to_ms.is_none_or(|to_ms| to_ms >= self.from_ms)) {
            if gap.channel != "trade" {
                self.summary.gaps_of_tickers_and_books += u64::from(gap.state != "begin");
                continue;
            }
            let counter = match gap.state.as_str() {
                "open" => &mut self.summary.gaps_open,
                "pending" => &mut self.summary.gaps_pending,
                "lost" => &mut self.summary.gaps_lost,
                _ => {
                    self.summary.gaps_repaired += u64::from(gap.cause != "begin");
                    continue;
                }
            };
            *counter += 1;
            found.total += 1;
            found.findings.push(Finding::Gap {
                market: gap.market.clone(),
                from: gap.from_ms,
                to: gap.to_ms,
                cause: gap.cause.clone(),
                state: gap.state.clone(),
            });
        }
        self.tell(found)
    }

    /// Only a running hoga knows it.
    async fn compared_up_to(&mut self) -> Result<(), Failure> {
        if self.args.tables.data.is_some() {
            return Ok(());
        }
        let health = match status::health(&self.args.page).await {
            Ok(health) => health,
            Err(failure) => {
                self.note(format!("up to when trades were compared is not known: {}", failure.message()));
                return Ok(());
            }
        };
        let Some(gaps) = health.gaps else { return Ok(()) };
        let up_to = gaps.verified_age_ms.map(|age_ms| utc_iso(SystemClock.now_ms() - age_ms as i64));
        if up_to.is_none() {
            self.note("the running hoga has not compared every market with the exchange's list of trades yet".into());
        }
        if gaps.failing {
            self.note("the exchange's REST does not answer the running hoga: its trades are not compared now".into());
        }
        self.summary.compared_up_to = up_to;
        Ok(())
    }

    /// Spans of at most this length with whole bars of this size, of the days.
    fn spans(&self, days: &[i64], size: Size, length_ms: i64) -> Vec<(i64, i64)> {
        spans(days, (self.from_ms, self.to_ms), size, length_ms)
    }

    fn tell(&mut self, found: Found) -> Result<(), Failure> {
        self.summary.differences += found.total;
        let told = found.findings.len() as u64;
        for finding in found.findings {
            match self.args.json {
                true => output::line!("{}", json(&finding)?)?,
                false => output::line!("{finding}")?,
            }
        }
        if found.total > told {
            self.note(format!("{} more of the same are not told one by one", found.total - told));
        }
        Ok(())
    }

    fn note(&mut self, note: String) {
        self.summary.notes.push(note);
    }

    fn report(mut self) -> Result<(), Failure> {
        self.summary.clean = self.summary.differences == 0;
        match self.args.json {
            true => output::line!("{}", json(&self.summary)?)?,
            false => output::text(format_args!("{}", in_words(&self.summary)))?,
        }
        match self.summary.differences {
            0 => Ok(()),
            1 => Err(Failure::found("the audit found a difference")),
            more => Err(Failure::found(format!("the audit found {more} differences"))),
        }
    }
}

/// Bars of one span that are not right, as far as was looked.
struct Suspects {
    size: Size,
    span: (i64, i64),
    closed_ms: i64,
    found: Found,
}

/// What was found before and is found now; where there are more than can be told, the lower count.
fn still_there(before: Found, now: Found) -> Found {
    let is_whole = |found: &Found| found.findings.len() as u64 == found.total;
    if !is_whole(&before) || !is_whole(&now) {
        let total = before.total.min(now.total);
        return Found { total, findings: now.findings };
    }
    let was_there = |finding: &Finding| before.findings.iter().any(|other| other.is_about(finding));
    let findings: Vec<Finding> = now.findings.into_iter().filter(was_there).collect();
    Found { total: findings.len() as u64, findings }
}

/// Of each day, the bars that lie wholly in the span that is looked at.
fn spans(days: &[i64], (from_ms, to_ms): (i64, i64), size: Size, length_ms: i64) -> Vec<(i64, i64)> {
    let first_whole = size.start_ms(from_ms.saturating_add(size.ms() - 1));
    let last_whole = size.start_ms(to_ms);
    let mut spans = Vec::new();
    for day_ms in days {
        let (mut at_ms, end_ms) = (first_whole.max(*day_ms), last_whole.min(day_ms + MS_PER_DAY));
        while at_ms < end_ms {
            let next_ms = (at_ms + length_ms).min(end_ms);
            spans.push((at_ms, next_ms));
            at_ms = next_ms;
        }
    }
    spans
}

fn in_words(summary: &Summary) -> String {
    let minutes = match summary.minutes {
        Some(minutes) => {
            format!("{minutes} minutes compared with the exchange's, {} differ", summary.minutes_different)
        }
        None => "not compared with the exchange's minutes".to_owned(),
    };
    let mut text = format!(
        "trades     {} of {} days, {} duplicates; {minutes}\n\
         bars       {} compared with their trades, {} differ\n\
         gaps       {} open, {} pending, {} lost, {} repaired (tickers and books, which nobody can repair: {})\n",
        summary.trades,
        summary.days,
        summary.duplicates,
        summary.bars,
        summary.bars_different,
        summary.gaps_open,
        summary.gaps_pending,
        summary.gaps_lost,
        summary.gaps_repaired,
        summary.gaps_of_tickers_and_books,
    );
    if let Some(up_to) = &summary.compared_up_to {
        text.push_str(&format!("compared   every market's trades with the exchange's own list, up to {up_to}\n"));
    }
    for note in &summary.notes {
        text.push_str(&format!("note       {note}\n"));
    }
    let verdict = match summary.differences {
        0 => "clean".to_owned(),
        differences => format!("{differences} differences"),
    };
    text.push_str(&format!("result     {verdict}\n"));
    text
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::external(format!("cannot write JSON: {error}")))
}

/// Where the audit is, on standard error, at most once a second.
#[derive(Default)]
struct Progress {
    told: Option<Instant>,
}

impl Progress {
    fn tell(&mut self, place: &str) {
        let told = self.told.get_or_insert_with(Instant::now);
        if told.elapsed() >= PROGRESS_INTERVAL {
            *told = Instant::now();
            // who has closed standard error does not want to be told
            let _ = writeln!(std::io::stderr(), "audit: {place}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_whole_bars_of_the_days_that_are_looked_at() {
        let (minute, day) = (Size::M1, Size::D1);
        let all = spans(&[0, 2 * MS_PER_DAY], (0, i64::MAX), minute, 240 * minute.ms());
        assert_eq!(
            (all.len(), all[0], all[11]),
            (12, (0, 4 * HOUR_MS), (3 * MS_PER_DAY - 4 * HOUR_MS, 3 * MS_PER_DAY))
        );
        assert_eq!(spans(&[0], (30_000, 150_000), minute, 240 * minute.ms()), [(60_000, 120_000)]);
        assert_eq!(spans(&[0], (1, MS_PER_DAY), day, 240 * day.ms()), [], "the day is not whole");
        assert_eq!(spans(&[0], (0, MS_PER_DAY), day, 240 * day.ms()), [(0, MS_PER_DAY)]);
    }

    #[test]
    fn what_has_gone_at_the_second_look_is_no_difference() {
        let finding = |id| Finding::Duplicate { market: "KRW-BTC".into(), sequential_id: id, rows: 2 };
        let found =
            |ids: &[i64]| Found { findings: ids.iter().map(|id| finding(*id)).collect(), total: ids.len() as u64 };
        let left = still_there(found(&[1, 2]), found(&[2, 3]));
        assert_eq!((left.total, left.findings), (1, vec![finding(2)]));
        let more = Found { findings: vec![finding(1)], total: 5 };
        assert_eq!(still_there(found(&[1, 2]), more).total, 2);
    }
}
