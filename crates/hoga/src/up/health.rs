//! The health report: what the rooms know of themselves, in the words of the page.

use crate::collector::CollectorStats;
use crate::repair::RepairStatus;
use crate::up::bars::{self, BarStatus};
use crate::up::care::Care;
use crate::up::exchange::Exchange;
use crate::up::kafka;
use crate::up::new_fields;
use crate::up::process::{self, CpuMeter};
use crate::up::sampler::{Sample, Samples};
use hoga_engine::Engine;
use hoga_engine::flow::{NodeStatus, PartitionStatus, SinkRuntime, SourceStatus};
use hoga_engine::stats::quantile_ms;
use hoga_lake::LiveTable;
use hoga_log::wire::Broker;
use hoga_log::{DiskLog, Log};
use hoga_model::StreamKind;
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::Clock;
use hoga_serve::health::{
    CheckpointHealth, CollectorHealth, EventTimeHealth, GapHealth, Health, JobHealth, LatencyHealth, NodeHealth,
    PartitionHealth, PartitionTimeHealth, ProcessHealth, StreamHealth, TableHealth, TopicHealth,
};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub struct HealthReport {
    started: Instant,
    exchange: Arc<Exchange>,
    collector: Arc<CollectorStats>,
    engine: Arc<Engine>,
    log: Arc<dyn Log>,
    /// The log in the data folder, if it is the one in use.
    disk: Option<Arc<DiskLog>>,
    /// Of a cluster's collector: whether it leads.
    election: Option<CollectorSource>,
    /// Of a collector that repairs its gaps.
    repair: Option<Arc<RepairStatus>>,
    /// Of a process that computes bars again.
    bars: Option<Arc<BarStatus>>,
    clock: Arc<dyn Clock>,
    kafka: Option<Arc<Broker>>,
    care: Arc<Care>,
    samples: Mutex<(Samples, CpuMeter)>,
}

/// Tells how a cluster's collector is.
pub type CollectorSource = Arc<dyn Fn() -> CollectorHealth + Send + Sync>;

/// What a report is made from.
pub struct ReportParts {
    pub exchange: Arc<Exchange>,
    pub collector: Arc<CollectorStats>,
    pub engine: Arc<Engine>,
    pub log: Arc<dyn Log>,
    pub disk: Option<Arc<DiskLog>>,
    pub election: Option<CollectorSource>,
    pub repair: Option<Arc<RepairStatus>>,
    pub bars: Option<Arc<BarStatus>>,
    pub clock: Arc<dyn Clock>,
    /// The Kafka listener, if there is one.
    pub kafka: Option<Arc<Broker>>,
    pub care: Arc<Care>,
}

impl HealthReport {
    pub fn new(parts: ReportParts) -> Arc<HealthReport> {
        let ReportParts { exchange, collector, engine, log, disk, election, repair, bars, clock, kafka, care } = parts;
        let samples = Mutex::new((Samples::default(), CpuMeter::start()));
        let started = Instant::now();
        Arc::new(HealthReport {
            started,
            exchange,
            collector,
            engine,
            log,
            disk,
            election,
            repair,
            bars,
            clock,
            kafka,
            care,
            samples,
        })
    }

    /// Called once a second.
    pub fn sample(&self) {
        let mut visible_after: Vec<u64> = Vec::new();
        for source in &self.engine.flow.sources {
            let counts = source.stats.visible_after.snapshot();
            visible_after.resize(counts.len(), 0);
            visible_after.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu_cores = samples.1.cores();
        samples.0.push(Sample {
            time_ms: self.clock.now_ms(),
            streams: std::array::from_fn(|index| self.collector.streams[index].received.get()),
            jobs: self.engine.flow.sinks.iter().map(|sink| sink.rows()).collect(),
            visible_after,
            cpu_cores,
        });
    }

    pub fn health(&self) -> Health {
        let now_ms = self.clock.now_ms();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = &samples.0;
        let visible_after = samples.visible_after();
        let new_fields = self.engine.flow.new_fields();
        let quantile = |share| quantile_ms(&visible_after, share).map(|ms| ms as f64);
        let election = self.election.as_ref().map(|election| election());
        // with a cluster, whoever leads keeps the ledger
        let keeps_ledger = election.as_ref().is_none_or(|election| election.leading);
        let repair = self.repair.as_deref().filter(|_| keeps_ledger);
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            source: self.exchange.health(),
            streams: streams(&self.collector, samples, now_ms),
            gaps: repair.map(|status| gaps(status, now_ms)),
            collector: election,
            bars: self.bars.as_deref().and_then(|status| bars::health(status, &self.engine)),
            topics: self.topics(),
            new_fields: new_fields::health(&new_fields),
            new_fields_unlisted_total: new_fields.iter().map(|topic| topic.fields.unlisted()).sum(),
            jobs: self.jobs(samples),
            tables: self.engine.tables().iter().map(|table| table_health(table, &self.care, now_ms)).collect(),
            event_time: self.event_time(),
            nodes: self.nodes(),
            checkpoint: self.checkpoint(now_ms),
            care: self.care.health(),
            process: ProcessHealth {
                resident_bytes: process::resident_bytes(),
                cpu_seconds_total: process::cpu_seconds(),
                cpu_cores: samples.cpu_cores(),
            },
            dead_letters_total: self.dead_letters(),
            kafka: self.kafka.as_deref().map(kafka::health),
            visible_latency: LatencyHealth { p50_ms: quantile(0.5), p99_ms: quantile(0.99) },
            ..Health::default()
        }
    }

    /// A job is a sink with all that leads to it.
    fn jobs(&self, samples: &Samples) -> Vec<JobHealth> {
        // a checkpoint is of all jobs: while it fails, none of them commits
        let unfinished = self.engine.checkpoints().last().error;
        let flow = &self.engine.flow;
        let job = |(index, sink): (usize, &SinkRuntime)| {
            let sources = flow.sources_of(index);
            let lag = |source: &usize| flow.source_status(*source).map_or(0, |status| status.lag_records);
            JobHealth {
                name: sink.name.clone(),
                rows_in_total: sources.iter().map(|source| flow.sources[*source].stats.records_in.get()).sum(),
                rows_out_total: sink.rows(),
                rate_per_s: samples.rate_per_s(|sample| sample.jobs.get(index).copied().unwrap_or(0)),
                lag_records: sources.iter().map(lag).sum(),
                lag_ms: None,
                dead_letters_total: flow.dead_letters_of(index),
                error: flow.error_of(index).or_else(|| unfinished.clone()),
            }
        };
        flow.sinks.iter().enumerate().map(job).collect()
    }

    /// How far event time is, and which partition it waits for.
    fn event_time(&self) -> Vec<EventTimeHealth> {
        let flow = &self.engine.flow;
        let partition = |status: PartitionStatus| PartitionTimeHealth {
            partition: status.partition,
            offset: status.offset,
            watermark_ms: status.watermark_ms,
            idle: status.is_idle,
        };
        let source = |status: SourceStatus| EventTimeHealth {
            source: status.name,
            topic: status.topic,
            watermark_ms: status.watermark_ms,
            held_by: status.held_by,
            partitions: status.partitions.into_iter().map(partition).collect(),
        };
        (0..flow.sources.len()).filter_map(|index| flow.source_status(index).ok()).map(source).collect()
    }

    fn nodes(&self) -> Vec<NodeHealth> {
        let node = |status: NodeStatus| NodeHealth {
            name: status.name,
            kind: status.kind.to_owned(),
            rows_in_total: status.rows_in,
            rows_out_total: status.rows_out,
            late_rows_total: status.late_rows,
            last_late: status.last_late,
            groups: status.groups,
            state_bytes: status.state_bytes,
            watermark_ms: status.watermark_ms,
        };
        let keeps = |status: &NodeStatus| matches!(status.kind, "window" | "group by" | "top n");
        self.engine.flow.nodes().into_iter().filter(keeps).map(node).collect()
    }

    fn topics(&self) -> Vec<TopicHealth> {
        let partition = |topic: &str, partition| {
            let offsets = self.log.offsets(topic, partition).ok()?;
            Some(PartitionHealth { partition, start_offset: offsets.start, end_offset: offsets.end })
        };
        let topic = |topic: hoga_log::TopicInfo| TopicHealth {
            bytes: self.disk.as_ref().map_or(0, |disk| disk.topic_bytes(&topic.name)),
            partitions: (0..topic.partitions).filter_map(|index| partition(&topic.name, index)).collect(),
            name: topic.name,
        };
        self.log.topics().into_iter().map(topic).collect()
    }

    fn checkpoint(&self, now_ms: i64) -> CheckpointHealth {
        let last = self.engine.checkpoints().last();
        if last.id == 0 {
            return CheckpointHealth { error: last.error, ..CheckpointHealth::default() };
        }
        CheckpointHealth {
            last_id: Some(last.id),
            duration_ms: Some(last.duration_ms),
            age_ms: Some(age_ms(now_ms, last.completed_ms)),
            state_bytes: Some(last.state_bytes),
            error: last.error,
        }
    }

    /// All letters the topic ever had: they outlive this process.
    fn dead_letters(&self) -> u64 {
        self.log.offsets(DEAD_LETTER_TOPIC, 0).map_or(0, |offsets| offsets.end.unsigned_abs())
    }
}

/// The three streams, as received.
pub fn streams(collector: &CollectorStats, samples: &Samples, now_ms: i64) -> Vec<StreamHealth> {
    let stream = |kind: &StreamKind| {
        let index = *kind as usize;
        let stats = &collector.streams[index];
        StreamHealth {
            name: kind.as_str().to_owned(),
            received_total: stats.received.get(),
            rate_per_s: samples.rate_per_s(|sample| sample.streams[index]),
            last_event_age_ms: stats.last_ms().map(|last_ms| age_ms(now_ms, last_ms)),
        }
    };
    StreamKind::ALL.iter().map(stream).collect()
}

/// What is known of gaps, by whoever repairs them.
pub fn gaps(status: &RepairStatus, now_ms: i64) -> GapHealth {
    let verified_ms = status.verified_ms.load(Ordering::Relaxed);
    GapHealth {
        open: status.gaps_open.load(Ordering::Relaxed),
        pending: status.gaps_pending.load(Ordering::Relaxed),
        trades_repaired_total: status.trades_repaired.load(Ordering::Relaxed),
        calls_total: status.calls.load(Ordering::Relaxed),
        calls_limited_total: status.calls_limited.load(Ordering::Relaxed),
        verified_age_ms: Some(verified_ms).filter(|ms| *ms > 0).map(|ms| age_ms(now_ms, ms)),
        failing: status.is_failing.load(Ordering::Relaxed),
    }
}

fn table_health(table: &LiveTable, care: &Care, now_ms: i64) -> TableHealth {
    let files = care.files(table.name());
    let status = table.status();
    TableHealth {
        name: table.name().to_owned(),
        committed_rows: status.committed_rows.unwrap_or(0),
        live_rows: status.tail_rows,
        last_snapshot_id: status.snapshot_id,
        last_commit_age_ms: status.last_commit_ms.map(|last_ms| age_ms(now_ms, last_ms)),
        files: files.map(|files| files.files),
        bytes: files.map(|files| files.bytes),
        snapshots: files.map(|files| files.snapshots),
    }
}

fn age_ms(now_ms: i64, then_ms: i64) -> u64 {
    u64::try_from(now_ms - then_ms).unwrap_or(0)
}
