//! The health report: what the rooms know of themselves, in the words of the page.

use crate::collector::CollectorStats;
use crate::up::exchange::Exchange;
use crate::up::process::{self, CpuMeter};
use crate::up::sampler::{Sample, Samples};
use hoga_engine::stats::quantile_ms;
use hoga_engine::{Engine, Job};
use hoga_log::{DiskLog, Log};
use hoga_model::StreamKind;
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::Clock;
use hoga_serve::health::{
    CheckpointHealth, CollectorHealth, Health, JobHealth, LatencyHealth, PartitionHealth, ProcessHealth, StreamHealth,
    TableHealth, TopicHealth,
};
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
    clock: Arc<dyn Clock>,
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
    pub clock: Arc<dyn Clock>,
}

impl HealthReport {
    pub fn new(parts: ReportParts) -> Arc<HealthReport> {
        let ReportParts { exchange, collector, engine, log, disk, election, clock } = parts;
        let samples = Mutex::new((Samples::default(), CpuMeter::start()));
        let started = Instant::now();
        Arc::new(HealthReport { started, exchange, collector, engine, log, disk, election, clock, samples })
    }

    /// Called once a second.
    pub fn sample(&self) {
        let mut visible_after: Vec<u64> = Vec::new();
        for job in &self.engine.jobs {
            let counts = job.stats.visible_after.snapshot();
            visible_after.resize(counts.len(), 0);
            visible_after.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu_cores = samples.1.cores();
        samples.0.push(Sample {
            time_ms: self.clock.now_ms(),
            streams: std::array::from_fn(|index| self.collector.streams[index].received.get()),
            jobs: self.engine.jobs.iter().map(|job| job.stats.rows_out.get()).collect(),
            visible_after,
            cpu_cores,
        });
    }

    pub fn health(&self) -> Health {
        let now_ms = self.clock.now_ms();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = &samples.0;
        let visible_after = samples.visible_after();
        let quantile = |share| quantile_ms(&visible_after, share).map(|ms| ms as f64);
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            source: self.exchange.health(),
            streams: streams(&self.collector, samples, now_ms),
            collector: self.election.as_ref().map(|election| election()),
            topics: self.topics(),
            jobs: self.jobs(samples),
            tables: self.engine.jobs.iter().map(|job| table_health(job, now_ms)).collect(),
            checkpoint: self.checkpoint(now_ms),
            process: ProcessHealth {
                resident_bytes: process::resident_bytes(),
                cpu_seconds_total: process::cpu_seconds(),
                cpu_cores: samples.cpu_cores(),
            },
            dead_letters_total: self.dead_letters(),
            visible_latency: LatencyHealth { p50_ms: quantile(0.5), p99_ms: quantile(0.99) },
            ..Health::default()
        }
    }

    fn jobs(&self, samples: &Samples) -> Vec<JobHealth> {
        // a checkpoint is of all jobs: while it fails, none of them commits
        let unfinished = self.engine.checkpoints().last().error;
        let job = |(index, job): (usize, &Arc<Job>)| JobHealth {
            name: job.plan.name.clone(),
            rows_in_total: job.stats.records_in.get(),
            rows_out_total: job.stats.rows_out.get(),
            rate_per_s: samples.rate_per_s(|sample| sample.jobs.get(index).copied().unwrap_or(0)),
            lag_records: job.lag().map_or(0, i64::unsigned_abs),
            lag_ms: None,
            dead_letters_total: job.stats.dead_letters.get(),
            error: job.stats.error().or_else(|| unfinished.clone()),
        };
        self.engine.jobs.iter().enumerate().map(job).collect()
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
            return CheckpointHealth::default();
        }
        CheckpointHealth {
            last_id: Some(last.id),
            duration_ms: Some(last.duration_ms),
            age_ms: Some(age_ms(now_ms, last.completed_ms)),
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

fn table_health(job: &Arc<Job>, now_ms: i64) -> TableHealth {
    let status = job.table.status();
    TableHealth {
        name: job.plan.sink.full_name(),
        committed_rows: status.committed_rows.unwrap_or(0),
        live_rows: status.tail_rows,
        last_snapshot_id: status.snapshot_id,
        last_commit_age_ms: status.last_commit_ms.map(|last_ms| age_ms(now_ms, last_ms)),
        files: None,
    }
}

fn age_ms(now_ms: i64, then_ms: i64) -> u64 {
    u64::try_from(now_ms - then_ms).unwrap_or(0)
}
