//! What was received before the log begins: records made again of the rows that became of them.
//!
//! In: tables `upbit.ticker`, `upbit.trade`, `upbit.orderbook` of some page, where each partition of a topic's log begins. Out: records in the order
//! of their times of receipt, each before the first of its partition in the log. A value has the event's fields and their values, not its bytes: Upbit's
//! spelling of a number and its NULLs are gone. State: a few thousand records read ahead. Not here: when a record is due.

use crate::bars::instant;
use crate::commands::answer::Page;
use crate::failure::Failure;
use bytes::Bytes;
use hoga_engine::records::{RowRecord, bigints_of, records_of};
use hoga_log::{Record, partition_for_key};
use hoga_model::StreamKind;
use hoga_model::time::{Clock, MS_PER_DAY, SystemClock, utc_iso};
use hoga_upbit::frame::{Message, read_frame};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows that are asked for at a time: they are sorted where they are, and wait here as records.
const ROWS_PER_SPAN: i64 = 50_000;
/// The first span of time that is asked for; the others are as long as their rows allow.
const SPAN_MS: i64 = 60_000;
/// An empty span costs a look at the table's list of files.
const SPAN_MS_MAX: i64 = MS_PER_DAY;
/// Of the table: when the event was received, and the day it is stored under. Neither is Upbit's.
const RECEIVED: &str = "recv_time";
const DAY: &str = "dt";
const MARKET: &str = "market";
/// What the event calls its market.
const CODE: &str = "code";

/// Where the log of one topic begins, by partition.
#[derive(Debug, Clone, Default)]
pub struct LogBegin {
    pub partitions: Vec<PartitionBegin>,
}

/// The first record of a partition; what was received before is not in the log.
#[derive(Debug, Clone, Default)]
pub struct PartitionBegin {
    /// `i64::MAX`: all of it was deleted. `i64::MIN`: nothing was ever in it.
    pub first_ms: i64,
    /// The events of that millisecond that are in the log.
    pub at_first: HashSet<Identity>,
}

/// Of an event: its market, and its number or, if it has none, the time of its publication.
pub type Identity = (String, i64);

/// The identity of a record's event, if it is one.
pub fn identity(value: &Bytes) -> Option<Identity> {
    let mut messages = Vec::new();
    read_frame(value, &mut messages);
    match messages.pop() {
        Some(Message::Event(event)) => {
            let number = event.sequential_id.and_then(|id| i64::try_from(id).ok()).unwrap_or(event.timestamp_ms);
            Some((event.market.as_str().to_owned(), number))
        }
        _ => None,
    }
}

impl LogBegin {
    /// The end of what the log lacks from `from_ms` on; None: it lacks nothing.
    pub fn missing_until_ms(&self, from_ms: i64) -> Option<i64> {
        let last_ms = self.partitions.iter().map(|partition| partition.first_ms).max()?;
        (last_ms > from_ms).then_some(last_ms.saturating_add(1))
    }

    /// When the log begins, for people to read; None: it is empty.
    pub fn oldest_ms(&self) -> Option<i64> {
        let known = self.partitions.iter().map(|partition| partition.first_ms);
        known.filter(|first_ms| *first_ms > i64::MIN && *first_ms < i64::MAX).min()
    }

    /// Whether the log has it not: its partition, then.
    fn lacks(&self, record: &RowRecord, value: &Bytes) -> Option<u32> {
        let count = u32::try_from(self.partitions.len()).unwrap_or(0);
        let partition = partition_for_key(record.key.as_bytes(), count);
        let begin = self.partitions.get(partition as usize)?;
        let is_older = match record.at_ms.cmp(&begin.first_ms) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => identity(value).is_none_or(|identity| !begin.at_first.contains(&identity)),
            std::cmp::Ordering::Greater => false,
        };
        is_older.then_some(partition)
    }
}

/// A topic's older records on their way.
pub struct Past {
    pub topic: String,
    pub waiting: VecDeque<(u32, Record)>,
    more: mpsc::Receiver<Result<Vec<(u32, Record)>, Failure>>,
}

impl Past {
    /// Begins to read, and waits for the first records; None if the page has no such table, or nothing so old.
    pub async fn begin(
        page: Arc<Page>,
        kind: StreamKind,
        log: LogBegin,
        (from_ms, to_ms): (i64, i64),
    ) -> Result<Option<Past>, Failure> {
        let Some(fields) = fields_of(&page, kind).await? else { return Ok(None) };
        // what is received from now on is not asked for
        let to_ms = to_ms.min(log.missing_until_ms(from_ms).unwrap_or(from_ms)).min(SystemClock.now_ms() + 1);
        let reader = Reader { page, kind, fields, log, to_ms };
        let (sender, more) = mpsc::channel(1);
        tokio::spawn(async move {
            if let Err(failure) = reader.read_all(from_ms, &sender).await {
                // nobody waits for it any more when the replay is over
                let _ = sender.send(Err(failure)).await;
            }
        });
        let mut past = Past { topic: kind.topic().to_owned(), waiting: VecDeque::new(), more };
        let first = past.more.recv().await;
        past.take(first)?;
        Ok(Some(past).filter(|past| !past.waiting.is_empty()))
    }

    /// When the next record was received; waits until one is there. None: those were all. On a thread that may wait.
    pub fn next_ms(&mut self) -> Result<Option<i64>, Failure> {
        while self.waiting.is_empty() {
            let next = self.more.blocking_recv();
            if next.is_none() {
                return Ok(None);
            }
            self.take(next)?;
        }
        Ok(self.waiting.front().map(|(_, record)| record.timestamp_ms))
    }

    /// Whether it is known that nothing comes for this partition.
    pub fn has_none_of(&self, partition: u32) -> bool {
        self.more.is_closed() && self.more.is_empty() && self.waiting.iter().all(|(of, _)| *of != partition)
    }

    fn take(&mut self, chunk: Option<Result<Vec<(u32, Record)>, Failure>>) -> Result<(), Failure> {
        self.waiting.extend(chunk.transpose()?.unwrap_or_default());
        Ok(())
    }
}

/// A name in SQL's own quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns of the topic's table that are fields of the event. None: there is no such table, or another one of its name.
async fn fields_of(page: &Page, kind: StreamKind) -> Result<Option<Vec<String>>, Failure> {
    let table = kind.as_str();
    let sql = format!(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'upbit' AND table_name = '{table}'"
    );
    if number(page, &sql).await? == 0 {
        return Ok(None);
    }
    let mut answer = page.ask(&format!("SELECT * FROM upbit.{table} LIMIT 0")).await?;
    while answer.next().await?.is_some() {}
    let columns: Vec<String> = match answer.schema() {
        Some(schema) => schema.fields().iter().map(|field| field.name().clone()).collect(),
        None => Vec::new(),
    };
    if ![MARKET, RECEIVED].iter().all(|needed| columns.iter().any(|column| column == needed)) {
        tracing::warn!(table, "has no market or no recv_time: no records can be made of its rows");
        return Ok(None);
    }
    let is_field = |column: &String| ![MARKET, RECEIVED, DAY, "type", CODE].contains(&column.as_str());
    Ok(Some(columns.into_iter().filter(is_field).collect()))
}

async fn number(page: &Page, sql: &str) -> Result<i64, Failure> {
    let mut answer = page.ask(sql).await?;
    let mut found = None;
    while let Some(batch) = answer.next().await? {
        let numbers = bigints_of(&batch).map_err(|error| Failure::external(error.to_string()))?;
        found = found.or(numbers.first().copied());
    }
    found.ok_or_else(|| Failure::external(format!("no number is the answer to: {sql}")))
}

struct Reader {
    page: Arc<Page>,
    kind: StreamKind,
    fields: Vec<String>,
    log: LogBegin,
    to_ms: i64,
}

impl Reader {
    async fn read_all(
        &self,
        from_ms: i64,
        out: &mpsc::Sender<Result<Vec<(u32, Record)>, Failure>>,
    ) -> Result<(), Failure> {
        let (mut at_ms, mut span_ms, mut told) = (from_ms, SPAN_MS, false);
        while at_ms < self.to_ms {
            let end_ms = at_ms.saturating_add(span_ms).min(self.to_ms);
            let rows = number(&self.page, &self.sql("count(*)", at_ms, end_ms)).await?;
            if rows > ROWS_PER_SPAN && end_ms - at_ms > 1 {
                span_ms = (end_ms - at_ms) / 2;
                continue;
            }
            if rows > 0 {
                let records = self.read(at_ms, end_ms).await?;
                if let Some((_, first)) = records.first().filter(|_| !told) {
                    told = true;
                    tracing::info!(
                        topic = self.kind.topic(),
                        from = utc_iso(first.timestamp_ms),
                        "records made of the table's rows"
                    );
                }
                // nobody wants them any more: the replay is over
                if !records.is_empty() && out.send(Ok(records)).await.is_err() {
                    return Ok(());
                }
            }
            if out.is_closed() {
                return Ok(());
            }
            at_ms = end_ms;
            if rows < ROWS_PER_SPAN / 4 {
                span_ms = span_ms.saturating_mul(2).min(SPAN_MS_MAX);
            }
        }
        Ok(())
    }

    async fn read(&self, from_ms: i64, to_ms: i64) -> Result<Vec<(u32, Record)>, Failure> {
        let fields = self.fields.iter().map(|field| format!(", {}", quoted(field))).collect::<String>();
        let columns = format!("'{}' AS \"type\", {MARKET} AS {CODE}{fields}, {RECEIVED}", self.kind.as_str());
        let order =
            ["sequential_id", "timestamp"].into_iter().filter(|name| self.fields.iter().any(|field| field == name));
        let order = order.map(|name| format!(", {}", quoted(name))).collect::<String>();
        let sql = format!("{} ORDER BY {RECEIVED}{order}", self.sql(&columns, from_ms, to_ms));
        let mut answer = self.page.ask(&sql).await?;
        let mut records = Vec::new();
        while let Some(batch) = answer.next().await? {
            let made = records_of(&batch, CODE, RECEIVED).map_err(|error| Failure::external(error.to_string()))?;
            for mut row in made {
                let value = Bytes::from(std::mem::take(&mut row.value));
                if let Some(partition) = self.log.lacks(&row, &value) {
                    let key = Some(Bytes::from(row.key.into_bytes()));
                    records.push((partition, Record { key, value, timestamp_ms: row.at_ms, headers: Vec::new() }));
                }
            }
        }
        Ok(records)
    }

    fn sql(&self, columns: &str, from_ms: i64, to_ms: i64) -> String {
        let (from, to) = (instant(from_ms), instant(to_ms));
        format!("SELECT {columns} FROM upbit.{} WHERE {RECEIVED} >= {from} AND {RECEIVED} < {to}", self.kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: &str, at_ms: i64, id: i64) -> (RowRecord, Bytes) {
        let value = format!("{{\"type\":\"trade\",\"code\":\"{code}\",\"timestamp\":{at_ms},\"sequential_id\":{id}}}");
        (RowRecord { key: code.to_owned(), at_ms, value: Vec::new() }, Bytes::from(value))
    }

    #[test]
    fn what_the_log_has_is_not_made_again() {
        let partition = partition_for_key(b"KRW-BTC", 3);
        let mut partitions = vec![PartitionBegin { first_ms: i64::MIN, ..PartitionBegin::default() }; 3];
        partitions[partition as usize] =
            PartitionBegin { first_ms: 1_000, at_first: HashSet::from([("KRW-BTC".to_owned(), 7)]) };
        let log = LogBegin { partitions };
        for (at_ms, id, expected) in [(999, 7, true), (1_000, 6, true), (1_000, 7, false), (1_001, 8, false)] {
            let (record, value) = row("KRW-BTC", at_ms, id);
            assert_eq!(log.lacks(&record, &value), expected.then_some(partition), "{at_ms} {id}");
        }
        assert_eq!((log.missing_until_ms(1_000), log.missing_until_ms(999)), (None, Some(1_001)));
        assert_eq!(log.oldest_ms(), Some(1_000));
        let deleted = LogBegin { partitions: vec![PartitionBegin { first_ms: i64::MAX, ..PartitionBegin::default() }] };
        let (record, value) = row("KRW-BTC", 5, 1);
        assert_eq!(deleted.lacks(&record, &value), Some(0));
        assert_eq!(deleted.oldest_ms(), None);
    }
}
