//! What `CALL sys.…` does: Paimon's procedures with the names that they and their arguments have in Flink.

use crate::failure::with_causes;
use hoga_lake::{LakeError, LiveTable, ORPHAN_GRACE, ORPHAN_GRACE_MIN, Pace, Retention, parse_duration_ms};
use hoga_model::time::{Clock, parse_utc};
use hoga_model::{Fault, Faulty};
use hoga_serve::{Answer, Call, CallError, Procedures};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Paimon's answer of a procedure that has nothing else to say.
const SUCCESS: &str = "Success";
const NAMES: &str = "compact, create_tag, delete_tag, expire_partitions, expire_snapshots and remove_orphan_files";

#[derive(Clone)]
pub struct TableProcedures {
    tables: Vec<Arc<LiveTable>>,
    clock: Arc<dyn Clock>,
    /// What the last run prepared has been committed, so it is known which files are waiting.
    is_recovered: bool,
}

impl fmt::Debug for TableProcedures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableProcedures").field("is_recovered", &self.is_recovered).finish_non_exhaustive()
    }
}

impl TableProcedures {
    /// Of a running pipeline.
    pub fn online(tables: Vec<Arc<LiveTable>>, clock: Arc<dyn Clock>) -> Arc<TableProcedures> {
        Arc::new(TableProcedures { tables, clock, is_recovered: true })
    }

    /// Of a folder that no pipeline runs on.
    pub fn offline(tables: Vec<Arc<LiveTable>>, clock: Arc<dyn Clock>) -> Arc<TableProcedures> {
        Arc::new(TableProcedures { tables, clock, is_recovered: false })
    }

    async fn perform(&self, call: &Call) -> Result<Vec<String>, CallError> {
        match call.name.as_str() {
            "compact" => self.compact(call).await,
            "create_tag" => self.create_tag(call).await,
            "delete_tag" => self.delete_tag(call).await,
            "expire_partitions" => self.expire_partitions(call).await,
            "expire_snapshots" => self.expire_snapshots(call).await,
            "remove_orphan_files" => self.remove_orphan_files(call).await,
            other => Err(CallError::mistake(format!("procedure sys.{other} does not exist; there are {NAMES}"))),
        }
    }

    /// Every partition is taken to be complete: one pass after another until nothing is left to merge.
    async fn compact(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table] = call.bind(["table"], 1)?;
        let table = self.table(table)?;
        let (mut before, mut after) = (0, 0);
        while let Some(merged) = table.compact(true, self.clock.now_ms(), Pace::FULL).await.map_err(failed)? {
            before += merged.files_before;
            after += merged.files_after;
            if table.is_keyed() {
                break;
            }
        }
        Ok(vec![SUCCESS.to_owned(), format!("{before} files became {after}")])
    }

    async fn create_tag(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table, tag, snapshot_id, time_retained] =
            call.bind(["table", "tag", "snapshot_id", "time_retained"], 2)?;
        let snapshot_id = snapshot_id.as_deref().map(|text| number("snapshot_id", text)).transpose()?;
        let tag = tag.unwrap_or_default();
        let tagged = self.table(table)?.create_tag(&tag, snapshot_id, time_retained.as_deref()).await;
        Ok(vec![SUCCESS.to_owned(), format!("tag {tag} is snapshot {}", tagged.map_err(failed)?)])
    }

    async fn delete_tag(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table, tag] = call.bind(["table", "tag"], 2)?;
        self.table(table)?.delete_tag(&tag.unwrap_or_default()).await.map_err(failed)?;
        Ok(vec![SUCCESS.to_owned()])
    }

    async fn expire_snapshots(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table, retain_max, retain_min, older_than] =
            call.bind(["table", "retain_max", "retain_min", "older_than"], 1)?;
        let (table, now_ms) = (self.table(table)?, self.clock.now_ms());
        let mut retention = None;
        if retain_max.is_some() || retain_min.is_some() || older_than.is_some() {
            let mut asked = table.retention().map_err(failed)?;
            if let Some(text) = retain_max {
                asked.snapshots_max = number("retain_max", &text)?;
            }
            if let Some(text) = retain_min {
                asked.snapshots_min = number("retain_min", &text)?;
            }
            if let Some(text) = older_than {
                asked.age_ms = now_ms - instant("older_than", &text)?;
            }
            if asked.snapshots_min < 1 || asked.snapshots_max < asked.snapshots_min {
                return Err(CallError::mistake("retain_min has to be at least 1 and at most retain_max"));
            }
            retention = Some::<Retention>(asked);
        }
        let mut all = 0;
        loop {
            let expired = table.expire_snapshots(retention, now_ms).await.map_err(failed)?;
            all += expired.snapshots;
            if expired.snapshots == 0 {
                return Ok(vec![all.to_string()]);
            }
        }
    }

    async fn expire_partitions(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table, expiration_time] = call.bind(["table", "expiration_time"], 2)?;
        let text = expiration_time.unwrap_or_default();
        let Some(age_ms) = parse_duration_ms(&text) else {
            return Err(CallError::mistake(format!("expiration_time '{text}' is not a duration like '7 d'")));
        };
        let expired = self.table(table)?.expire_partitions(Some(age_ms), self.clock.now_ms()).await;
        Ok(vec![expired.map_err(failed)?.to_string()])
    }

    async fn remove_orphan_files(&self, call: &Call) -> Result<Vec<String>, CallError> {
        let [table, older_than, dry_run] = call.bind(["table", "older_than", "dry_run"], 1)?;
        if !self.is_recovered {
            let reason = "files that the pipeline has prepared and not committed are known only while it runs; start hoga up, and call it there";
            return Err(CallError::mistake(reason));
        }
        let now_ms = self.clock.now_ms();
        let older_than_ms = match older_than {
            None => now_ms - ORPHAN_GRACE.as_millis() as i64,
            Some(text) => instant("older_than", &text)?,
        };
        if older_than_ms > now_ms - ORPHAN_GRACE_MIN.as_millis() as i64 {
            let reason = "older_than has to be at least an hour ago (in UTC): younger files may belong to a commit that is being made";
            return Err(CallError::mistake(reason));
        }
        let is_dry_run = match dry_run.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(CallError::mistake(format!("dry_run '{other}' is not true or false"))),
        };
        let orphans = self.table(table)?.remove_orphans(older_than_ms, is_dry_run).await.map_err(failed)?;
        Ok(vec![orphans.files.to_string(), orphans.bytes.to_string()])
    }

    /// `upbit.trade`, or with the catalog before it.
    fn table(&self, name: Option<String>) -> Result<&Arc<LiveTable>, CallError> {
        let name = name.unwrap_or_default();
        let is_it = |table: &&Arc<LiveTable>| {
            table.name() == name || name.split_once('.').is_some_and(|(_, rest)| rest == table.name())
        };
        self.tables.iter().find(is_it).ok_or_else(|| {
            let known: Vec<&str> = self.tables.iter().map(|table| table.name()).collect();
            CallError::mistake(format!("table \"{name}\" does not exist; there are {}", known.join(", ")))
        })
    }
}

impl Procedures for TableProcedures {
    fn call(&self, call: Call) -> Answer {
        let this = self.clone();
        // on a thread of its own: it may take long, and some of what Paimon reads with cannot change threads
        let performed = tokio::task::spawn_blocking(move || Handle::current().block_on(Box::pin(this.perform(&call))));
        Box::pin(async move {
            performed.await.unwrap_or_else(|error| {
                Err(CallError { is_mistake: false, message: format!("the procedure ended badly: {error}") })
            })
        })
    }
}

fn failed(error: LakeError) -> CallError {
    CallError { is_mistake: error.fault() == Fault::User, message: with_causes(&error) }
}

fn number(name: &str, text: &str) -> Result<i64, CallError> {
    text.parse().map_err(|_| CallError::mistake(format!("{name} '{text}' is not a number")))
}

fn instant(name: &str, text: &str) -> Result<i64, CallError> {
    parse_utc(text)
        .ok_or_else(|| CallError::mistake(format!("{name} '{text}' is not a time in UTC like '2026-01-31 13:00:00'")))
}
