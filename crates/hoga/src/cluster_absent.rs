//! A hoga that was built without the feature `cluster`: it says so.

use crate::collector::CollectorStats;
use crate::config::UpConfig;
use crate::failure::Failure;
use crate::up::collect::Sink;
use crate::up::exchange::Exchange;
use hoga_log::Log;
use hoga_model::time::Clock;
use hoga_serve::health::CollectorHealth;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// There is none.
pub enum Cluster {}

pub enum Relay {}

pub enum PipelineLog {}

pub struct RelayParts {
    pub stats: Arc<CollectorStats>,
    pub clock: Arc<dyn Clock>,
    pub cancel: CancellationToken,
}

impl Cluster {
    pub async fn open(_config: &UpConfig) -> Result<Cluster, Failure> {
        Err(Failure::user(
            "this hoga was built without Kafka clusters; build it with the feature `cluster`, which is on by default",
        ))
    }

    pub async fn open_to_read(config: &UpConfig) -> Result<Arc<dyn Log>, Failure> {
        Ok(Cluster::open(config).await?.as_log())
    }

    pub async fn id(&self) -> Result<String, Failure> {
        match *self {}
    }

    pub async fn pipeline_log(
        &self,
        _written: BTreeMap<String, String>,
        _clock: Arc<dyn Clock>,
        _cancel: CancellationToken,
    ) -> Result<Arc<PipelineLog>, Failure> {
        match *self {}
    }

    pub fn as_log(&self) -> Arc<dyn Log> {
        match *self {}
    }
}

impl PipelineLog {
    pub fn as_log(self: Arc<PipelineLog>) -> Arc<dyn Log> {
        match *self {}
    }

    pub async fn finish(&self) -> Result<(), Failure> {
        match *self {}
    }
}

impl Relay {
    pub fn start(cluster: &Cluster, _parts: RelayParts) -> Result<Relay, Failure> {
        match *cluster {}
    }

    pub fn sink(&self, _exchange: Arc<Exchange>, _is_recording: bool) -> Box<dyn Sink> {
        match *self {}
    }

    pub fn health(&self) -> Arc<dyn Fn() -> CollectorHealth + Send + Sync> {
        match *self {}
    }

    pub async fn finish(self) -> Result<(), Failure> {
        match self {}
    }
}
