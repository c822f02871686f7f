//! Topics, one topic, its messages, groups: answers from a log, made where blocking is allowed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::query::MessagesQuery;
use super::search::{self, Found};
use super::{BrowseError, Group, GroupOffset, Topic, find};
use crate::http::Shared;
use crate::http::answer::{self, Refusal};

/// A search that waits longer than this for its turn is refused.
const TURN_MAX: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct TopicLine<'a> {
    name: &'a str,
    partitions: usize,
    records: i64,
    bytes: u64,
    retention_ms: Option<i64>,
    retention_bytes: Option<u64>,
    rate_per_s: f64,
}

impl TopicLine<'_> {
    fn of(topic: &Topic) -> TopicLine<'_> {
        TopicLine {
            name: &topic.name,
            partitions: topic.partitions.len(),
            records: topic.partitions.iter().map(|partition| partition.end_offset - partition.start_offset).sum(),
            bytes: topic.partitions.iter().map(|partition| partition.bytes).sum(),
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
            rate_per_s: topic.rate_per_s,
        }
    }
}

pub(in crate::http) async fn topics(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let browser = shared.topics.clone();
    let topics = blocking(&shared, move || browser.topics()).await?;
    let lines: Vec<TopicLine<'_>> = topics.iter().map(TopicLine::of).collect();
    Ok(answer::ok(&serde_json::json!({ "topics": lines })))
}

pub(in crate::http) async fn topic(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let browser = shared.topics.clone();
    let topic = blocking(&shared, move || find(&*browser, &name)).await?;
    Ok(answer::ok(&topic))
}

#[derive(Serialize)]
struct Messages {
    topic: String,
    #[serde(flatten)]
    found: Found,
    elapsed_ms: u64,
}

pub(in crate::http) async fn messages(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(query): Query<MessagesQuery>,
) -> Result<Response, Refusal> {
    let request = query.parse()?;
    let browser = shared.topics.clone();
    let messages = searching(&shared, move || {
        let started = Instant::now();
        let partitions = search::chosen(&*browser, &name, request.partition)?;
        let found = search::search(&*browser, &name, &partitions, &request)?;
        Ok(Messages { topic: name, found, elapsed_ms: started.elapsed().as_millis() as u64 })
    });
    Ok(answer::ok(&messages.await?))
}

#[derive(Serialize)]
struct GroupLine<'a> {
    #[serde(flatten)]
    group: &'a Group,
    /// Messages it has not read, over all partitions.
    lag: i64,
}

impl GroupLine<'_> {
    fn of(group: &Group) -> GroupLine<'_> {
        GroupLine { group, lag: group.offsets.iter().map(GroupOffset::lag).sum() }
    }
}

pub(in crate::http) async fn groups(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let browser = shared.topics.clone();
    let groups = blocking(&shared, move || browser.groups()).await?;
    let lines: Vec<GroupLine<'_>> = groups.iter().map(GroupLine::of).collect();
    Ok(answer::ok(&serde_json::json!({ "groups": lines })))
}

/// Waits for a turn to search, then searches. A search whose browser has gone still reads: it keeps its turn as long as that.
pub(super) async fn searching<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce() -> Result<T, BrowseError> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = tokio::time::timeout(TURN_MAX, shared.searches.clone().acquire_owned()).await;
    let turn = turn.map_err(|_| Refusal::unavailable("other searches are still running; try again"))?;
    blocking(shared, move || {
        let _turn = turn;
        work()
    })
    .await
}

/// Runs where blocking is allowed. Waits for it, but not beyond the end of the listener.
async fn blocking<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce() -> Result<T, BrowseError> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::select! {
        biased;
        () = shared.cancel.cancelled() => Err(Refusal::unavailable("the server stops")),
        result = tokio::task::spawn_blocking(work) => match result {
            Ok(result) => result.map_err(refusal),
            Err(error) => {
                tracing::error!(%error, "looking into the log ended badly");
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "looking into the log ended badly"))
            }
        },
    }
}

fn refusal(error: BrowseError) -> Refusal {
    let status = match error {
        BrowseError::UnknownTopic { .. } | BrowseError::UnknownPartition { .. } => StatusCode::NOT_FOUND,
        BrowseError::Failed { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal::new(status, error.to_string())
}
