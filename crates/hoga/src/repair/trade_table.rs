//! The trades that the lake's table has. The log forgets, the table does not: before trades of the past are appended, both are asked.

use super::RepairError;
use crate::bars;
use hoga_engine::{Engine, QueryService};
use hoga_lake::LiveTable;
use hoga_log::{Log, partition_for_key};
use hoga_model::{Market, StreamKind};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TABLE: &str = "upbit.trade";
/// How long the pipeline may take to read what is in the topic, and how often it is asked.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);
const CATCH_UP_WAIT: Duration = Duration::from_millis(20);

pub struct TradeTable {
    engine: Arc<Engine>,
    queries: Arc<QueryService>,
    log: Arc<dyn Log>,
    /// The sink that writes the table.
    sink: usize,
}

impl TradeTable {
    /// None if the pipeline has no such table.
    pub fn of(engine: Arc<Engine>, queries: Arc<QueryService>, log: Arc<dyn Log>) -> Option<TradeTable> {
        let is_it = |table: &Arc<LiveTable>| table.name() == TABLE;
        let sink = engine.flow.sinks.iter().position(|sink| sink.table().is_some_and(is_it))?;
        Some(TradeTable { engine, queries, log, sink })
    }

    /// The ids of the market's trades executed between these times, both inclusive: of everything that was in the topic when it was asked.
    pub async fn ids(&self, market: &Market, from_ms: i64, to_ms: i64) -> Result<HashSet<u64>, RepairError> {
        self.caught_up(market).await?;
        let condition = bars::between("trade_timestamp", from_ms, to_ms + 1);
        let of_market = bars::of_markets(std::slice::from_ref(market));
        let sql = format!("SELECT sequential_id FROM {TABLE} WHERE {condition}{of_market}");
        let ids = Box::pin(self.queries.bigints(&sql)).await.map_err(|error| RepairError::Table(error.to_string()))?;
        Ok(ids.into_iter().filter_map(|id| u64::try_from(id).ok()).collect())
    }

    /// Waits until the table shows what is in the market's partition of the topic now.
    async fn caught_up(&self, market: &Market) -> Result<(), RepairError> {
        let topic = StreamKind::Trade.topic();
        let partition = partition_for_key(market.as_str().as_bytes(), crate::up::PARTITIONS);
        let end = self.log.offsets(topic, partition)?.end;
        let began = Instant::now();
        loop {
            let mut is_behind = false;
            for source in self.engine.flow.sources_of(self.sink) {
                let status = self.engine.flow.source_status(*source);
                let status = status.map_err(|error| RepairError::Table(error.to_string()))?;
                let behind = status.partitions.iter().any(|at| at.partition == partition && at.offset < end);
                is_behind |= status.topic == topic && behind;
            }
            if !is_behind {
                return Ok(());
            }
            if began.elapsed() > CATCH_UP_MAX {
                return Err(RepairError::Table(format!("{TABLE} does not keep up with its topic")));
            }
            tokio::time::sleep(CATCH_UP_WAIT).await;
        }
    }
}
