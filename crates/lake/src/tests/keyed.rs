//! Primary-key tables: any order of changes, seals, commits, restarts and scans against a map.

use super::bars::*;
use super::support::*;
use crate::{Committed, Lake, LiveTable, Prepared, RowKind, Sealed, View};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<Change>),
    Seal,
    Prepare,
    Commit,
    Publish,
    TakeView,
    Scan(Scan),
    /// Everything in memory is gone; `Prepared`s that were in a checkpoint are committed again, the rest is replayed.
    Crash,
}

#[derive(Debug, Clone)]
struct Scan {
    projection: Option<Vec<usize>>,
    conditions: Vec<Condition>,
    limit: Option<usize>,
}

fn change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![
        3 => Just(RowKind::Insert),
        1 => Just(RowKind::UpdateBefore),
        4 => Just(RowKind::UpdateAfter),
        2 => Just(RowKind::Delete),
    ];
    let note = prop_oneof![Just(None), Just(Some("whale".to_owned()))];
    ((0..MARKETS, 0..STARTS), kind, (0i64..10, note))
}

fn scan() -> impl Strategy<Value = Scan> {
    let condition = prop_oneof![
        3 => (0i64..10).prop_map(Condition::CloseAbove),
        2 => (0i64..10).prop_map(Condition::CloseBelow),
        1 => (0..MARKETS).prop_map(Condition::Market),
        1 => (0..STARTS).prop_map(Condition::StartFrom),
        1 => (0i64..2).prop_map(Condition::Day),
        1 => Just(Condition::NoNote),
    ];
    let projection = prop_oneof![
        2 => Just(None),
        3 => prop::sample::subsequence(vec![0usize, 1, 2, 3, 4], 0..5).prop_shuffle().prop_map(Some),
    ];
    let limit = prop_oneof![3 => Just(None), 1 => (0usize..30).prop_map(Some)];
    (projection, prop::collection::vec(condition, 0..3), limit).prop_map(|(projection, conditions, limit)| Scan {
        projection,
        conditions,
        limit,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(change(), 1..12).prop_map(Step::Apply),
        2 => Just(Step::Seal),
        3 => Just(Step::Prepare),
        3 => Just(Step::Commit),
        3 => Just(Step::Publish),
        2 => Just(Step::TakeView),
        4 => scan().prop_map(Step::Scan),
        1 => Just(Step::Crash),
    ]
}

/// A sealed part on its way, and how many batches had been applied when it was sealed.
struct Part {
    sealed: Sealed,
    end: usize,
    prepared: Option<Prepared>,
    committed: Option<Committed>,
}

struct Run {
    dir: tempfile::TempDir,
    buckets: &'static str,
    changelog_producer: &'static str,
    lake: Option<Lake>,
    table: Option<Arc<LiveTable>>,
    parts: VecDeque<Part>,
    views: Vec<(View, Model)>,
    /// Everything that was ever applied: what the log would replay.
    history: Vec<Vec<Change>>,
    model: Model,
    /// Batches that survive a crash without replay: those of committed parts.
    durable: usize,
    identifier: i64,
}

impl Run {
    async fn new(buckets: &'static str, changelog_producer: &'static str) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, changelog_producer, 3).await;
        Run {
            dir,
            buckets,
            changelog_producer,
            lake: Some(lake),
            table: Some(table),
            parts: VecDeque::new(),
            views: Vec::new(),
            history: Vec::new(),
            model: Model::new(),
            durable: 0,
            identifier: 0,
        }
    }

    fn table(&self) -> Arc<LiveTable> {
        self.table.clone().unwrap()
    }

    async fn take(&mut self, step: &Step) {
        let table = self.table();
        match step {
            Step::Apply(batch) => {
                table.apply(changes(batch)).unwrap();
                change_model(&mut self.model, batch);
                self.history.push(batch.clone());
            }
            Step::Seal => {
                let end = self.history.len();
                self.parts.push_back(Part { sealed: table.seal(), end, prepared: None, committed: None });
            }
            Step::Prepare => {
                if let Some(part) = self.parts.iter_mut().find(|part| part.prepared.is_none()) {
                    self.identifier += 1;
                    part.prepared = Some(table.prepare(&part.sealed, self.identifier).await.unwrap());
                }
            }
            Step::Commit => {
                if let Some(part) = self.parts.iter_mut().find(|part| part.committed.is_none())
                    && let Some(prepared) = &part.prepared
                {
                    part.committed = Some(table.commit(prepared).await.unwrap());
                    self.durable = part.end;
                }
            }
            Step::Publish => {
                if self.parts.front().is_some_and(|part| part.committed.is_some()) {
                    let part = self.parts.pop_front().unwrap();
                    table.publish(part.sealed, part.committed.unwrap()).unwrap();
                }
            }
            Step::TakeView => self.views.push((table.view(), self.model.clone())),
            Step::Scan(scan) => {
                for (view, model) in self.views.iter().chain([&(table.view(), self.model.clone())]) {
                    check_scan(view, model, scan.projection.clone(), &scan.conditions, scan.limit).await;
                }
            }
            Step::Crash => {
                drop(table); // a table keeps its warehouse locked
                self.crash().await;
            }
        }
        check_scan(&self.table().view(), &self.model, None, &[], None).await;
    }

    async fn crash(&mut self) {
        self.views.clear();
        // The checkpoint has the prepared parts that follow the last committed one; the log has the rest.
        let texts: Vec<(String, usize)> = self
            .parts
            .drain(..)
            .filter_map(|part| part.prepared.map(|prepared| (serde_json::to_string(&prepared).unwrap(), part.end)))
            .collect();
        (self.table, self.lake) = (None, None);
        let lake = open(self.dir.path());
        let table = bar_table_in(&lake, self.buckets, self.changelog_producer, 3).await;
        for (text, end) in texts {
            let committed = table.commit(&serde_json::from_str(&text).unwrap()).await.unwrap();
            table.publish_recovered(committed).unwrap();
            self.durable = self.durable.max(end);
        }
        let mut recovered = Model::new();
        self.history[..self.durable].iter().for_each(|batch| change_model(&mut recovered, batch));
        check_scan(&table.view(), &recovered, None, &[], None).await;
        for batch in &self.history[self.durable..] {
            table.apply(changes(batch)).unwrap();
        }
        (self.table, self.lake) = (Some(table), Some(lake));
    }
}

fn check_any_order(buckets: &'static str, changelog_producer: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 10..70))| {
        runtime.block_on(async {
            let mut run = Run::new(buckets, changelog_producer).await;
            for step in &steps {
                run.take(step).await;
            }
        });
    });
}

#[test]
fn every_view_shows_the_last_change_of_each_key() {
    check_any_order("1", "none");
}

#[test]
fn every_view_shows_the_last_change_of_each_key_written_by_paimon() {
    check_any_order("2", "none");
}

#[test]
fn every_view_shows_the_last_change_of_each_key_with_a_changelog() {
    check_any_order("2", "input");
}

/// Readers beside checkpoints: a bar is never missing, never there twice, and never older than it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_a_running_writer() {
    const ROUNDS: i64 = 10;
    const UPDATES: i64 = 20;
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table(&lake, "none").await;
    let all: Vec<Change> = (0..MARKETS).flat_map(|m| (0..STARTS).map(move |s| upsert(m, s, 0))).collect();
    table.apply(changes(&all)).unwrap();
    let reader = tokio::spawn({
        let table = table.clone();
        async move {
            let mut seen: Vec<Vec<String>> = Vec::new();
            loop {
                let request = crate::ScanRequest { projection: Some(vec![1, 2, 0]), ..Default::default() };
                let mut found = cells(&read(&table.view(), request).await);
                assert_eq!(found.len(), all.len(), "each bar once");
                for (before, now) in seen.iter().zip(&mut found) {
                    assert_eq!(before[..2], now[..2]);
                    let close = |row: &[String]| row[2].parse::<f64>().unwrap();
                    assert!(close(now) >= close(before), "{now:?} after {before:?}");
                }
                if found.iter().all(|row| row[2].starts_with(&format!("{}.", ROUNDS * UPDATES))) {
                    return;
                }
                seen = found;
            }
        }
    });
    for round in 0..ROUNDS {
        for update in 1..=UPDATES {
            let close = round * UPDATES + update;
            let batch: Vec<Change> = (0..MARKETS)
                .flat_map(|m| (0..STARTS).map(move |s| (m, s)))
                .flat_map(|(m, s)| [((m, s), RowKind::UpdateBefore, (close - 1, None)), upsert(m, s, close)])
                .collect();
            table.apply(changes(&batch)).unwrap();
        }
        checkpoint(&table, round + 1).await;
    }
    reader.await.unwrap();
}
