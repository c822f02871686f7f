//! Committed and live rows together: any order of operations against a plain vector.

use super::support::*;
use crate::{Committed, LiveTable, Prepared, Sealed, View};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Seal,
    Prepare,
    Commit,
    Publish,
    TakeView,
    CheckViews,
    /// Everything in memory is gone; `Prepared`s that were in a checkpoint are committed again, the rest is replayed.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..40).prop_map(Step::Append),
        2 => Just(Step::Seal),
        3 => Just(Step::Prepare),
        3 => Just(Step::Commit),
        3 => Just(Step::Publish),
        2 => Just(Step::TakeView),
        1 => Just(Step::CheckViews),
        1 => Just(Step::Crash),
    ]
}

/// A sealed part on its way, and how many rows had been appended when it was sealed.
struct Part {
    sealed: Sealed,
    end: i64,
    prepared: Option<Prepared>,
    committed: Option<Committed>,
}

struct Run {
    dir: tempfile::TempDir,
    lake: Option<crate::Lake>,
    table: Option<Arc<LiveTable>>,
    parts: VecDeque<Part>,
    views: Vec<(View, i64)>,
    appended: i64,
    /// Rows that survive a crash without replay: those of committed parts.
    durable: i64,
    identifier: i64,
}

impl Run {
    async fn new() -> Run {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        Run {
            dir,
            lake: Some(lake),
            table: Some(table),
            parts: VecDeque::new(),
            views: Vec::new(),
            appended: 0,
            durable: 0,
            identifier: 0,
        }
    }

    fn table(&self) -> Arc<LiveTable> {
        self.table.clone().unwrap()
    }

    async fn apply(&mut self, step: &Step) {
        let table = self.table();
        match step {
            Step::Append(count) => {
                table.append(batch(&rows(self.appended..self.appended + *count as i64))).unwrap();
                self.appended += *count as i64;
            }
            Step::Seal => {
                let part = Part { sealed: table.seal(), end: self.appended, prepared: None, committed: None };
                self.parts.push_back(part);
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
            Step::TakeView => self.views.push((table.view(), self.appended)),
            Step::CheckViews => self.check().await,
            Step::Crash => {
                drop(table); // a table keeps its warehouse locked
                self.crash().await;
            }
        }
    }

    async fn crash(&mut self) {
        self.check().await;
        self.views.clear();
        // The checkpoint has the prepared part that follows the last committed one; the log has the rest.
        let texts: Vec<(String, i64)> = self
            .parts
            .drain(..)
            .filter_map(|part| part.prepared.map(|prepared| (serde_json::to_string(&prepared).unwrap(), part.end)))
            .collect();
        (self.table, self.lake) = (None, None);
        let lake = open(self.dir.path());
        let table = trade_table(&lake).await;
        for (text, end) in texts {
            let committed = table.commit(&serde_json::from_str(&text).unwrap()).await.unwrap();
            table.publish_recovered(committed).unwrap();
            self.durable = self.durable.max(end);
        }
        assert_eq!(all(&table.view()).await, in_order(rows(0..self.durable)), "after recovery");
        if self.durable < self.appended {
            table.append(batch(&rows(self.durable..self.appended))).unwrap();
        }
        (self.table, self.lake) = (Some(table), Some(lake));
    }

    async fn check(&self) {
        for (view, appended) in self.views.iter().chain([&(self.table().view(), self.appended)]) {
            assert_eq!(all(view).await, in_order(rows(0..*appended)), "a view of {appended} rows");
        }
        let status = self.table().status();
        assert_eq!(status.committed_rows.unwrap() + status.tail_rows, self.appended as u64);
    }
}

#[test]
fn every_view_has_each_row_once_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 10..80))| {
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in &steps {
                run.apply(step).await;
            }
            run.check().await;
        });
    });
}

/// Readers never see a row twice or miss one while checkpoints go on beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_a_running_writer() {
    const ROUNDS: i64 = 12;
    const ROWS_A_ROUND: i64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let reader = tokio::spawn({
        let table = table.clone();
        async move {
            let mut seen = 0;
            loop {
                let found = all(&table.view()).await;
                let count = found.len() as i64;
                assert!(count >= seen, "{count} rows after {seen}");
                assert_eq!(found, in_order(rows(0..count)));
                seen = count;
                if seen == ROUNDS * ROWS_A_ROUND {
                    return;
                }
            }
        }
    });
    for round in 0..ROUNDS {
        for n in round * ROWS_A_ROUND..(round + 1) * ROWS_A_ROUND {
            table.append(batch(&rows(n..n + 1))).unwrap();
        }
        checkpoint(&table, round + 1).await;
    }
    reader.await.unwrap();
}
