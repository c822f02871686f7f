//! `hoga replay`: recorded days of one hoga's log through a pipeline in a data folder of its own, as `hoga up` would run it.
//!
//! In: the log of a data folder whose hoga does not run, or of one that does, or of a cluster, through the Kafka protocol; and for what is older
//! than the log, the tables. Out: a new data folder with log, tables and alerts, and the listeners of `hoga up` on ports of their own. What is
//! replayed is marked as that everywhere.

use crate::cli::{ExchangeArgs, ReplayArgs, UpArgs};
use crate::cluster::Cluster;
use crate::commands::answer::Page;
use crate::commands::{check, times};
use crate::config::{LogStretch, Source, UpConfig, Warehouse, absolute};
use crate::failure::Failure;
use crate::up::playback::past::{LogBegin, Past};
use crate::up::playback::{Playback, Speed};
use crate::up::{PARTITIONS, in_runtime, start_tracing, topology};
use hoga_log::{DiskLog, DiskOptions, Log, LogError};
use hoga_model::StreamKind;
use hoga_model::market::BAR_TOPIC;
use hoga_model::time::{Clock, SystemClock, utc_iso};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub fn run(args: Box<ReplayArgs>) -> Result<(), Failure> {
    let (from_ms, to_ms) = times::span(&args.span, SystemClock.now_ms())?;
    let config = configured(&args, (from_ms, to_ms))?;
    let between = (from_ms.unwrap_or(i64::MIN), to_ms.unwrap_or(i64::MAX));
    let speed = speed_of(&args.speed)?;
    start_tracing(&config.log_level)?;
    in_runtime(async move {
        refuse_used(&config.data)?;
        let topics = topics_of(&args, &config)?;
        let source = open_source(&args, &config).await?;
        let ends = args.exit;
        let opened = tokio::task::spawn_blocking(move || {
            let playback = Playback::open(source, &topics, between, speed, ends)?;
            let missing = playback.missing()?;
            Ok((playback, missing))
        });
        let opened: Result<_, LogError> =
            opened.await.map_err(|error| Failure::external(format!("reading the log ended badly: {error}")))?;
        let (mut playback, missing) = opened.map_err(|error| Failure::of(&error))?;
        if let Some((topic, count)) = playback.partitions().into_iter().find(|(_, count)| *count > PARTITIONS) {
            return Err(Failure::user(format!(
                "topic \"{topic}\" has {count} partitions, and a replay has {PARTITIONS}: leave it out with --topic"
            )));
        }
        Box::pin(add_what_the_log_lacks(&args, &mut playback, missing)).await?;
        // the brokers are the source's; the replay's own log is in its folder
        Box::pin(topology::run(UpConfig { brokers: None, ..config }, Some(playback))).await
    })
}

/// Records that were received after `--from` and that the log has not (any more) are made of the tables' rows, if there are tables; whatever is left
/// out is said.
async fn add_what_the_log_lacks(
    args: &ReplayArgs,
    playback: &mut Playback,
    missing: Vec<(StreamKind, LogBegin)>,
) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let begins = |log: &LogBegin| log.oldest_ms().map_or_else(|| "nowhere: it is empty".to_owned(), utc_iso);
    let (page, of) = match (&args.connect, &args.brokers) {
        (Some(url), _) => (Page::at(url, args.http_token.as_deref())?, url.clone()),
        (None, Some(_)) => {
            for (kind, log) in &missing {
                tracing::warn!(
                    topic = kind.topic(),
                    log_begins = begins(log),
                    "the log has not all since --from, and the replay begins with the log; --connect says whose tables have the rest"
                );
            }
            return Ok(());
        }
        (None, None) => match Page::of_folder(&args.data, args.warehouse.as_deref()).await {
            Ok(page) => (page, args.data.display().to_string()),
            Err(failure) if !failure.is_users() => return Err(failure),
            Err(failure) => {
                let reason = failure.message();
                for (kind, log) in &missing {
                    tracing::warn!(
                        topic = kind.topic(),
                        log_begins = begins(log),
                        reason,
                        "the log has not all since --from, and the replay begins with the log: there are no tables to read the rest from"
                    );
                }
                return Ok(());
            }
        },
    };
    let page = Arc::new(page);
    for (kind, log) in missing {
        let log_begins = begins(&log);
        match Box::pin(Past::begin(page.clone(), kind, log, playback.between())).await? {
            Some(past) => {
                tracing::info!(
                    topic = kind.topic(),
                    log_begins,
                    of,
                    "records that the log has not any more are made of the table's rows"
                );
                playback.add(past);
            }
            None => tracing::warn!(
                topic = kind.topic(),
                log_begins,
                of,
                "the log has not all since --from, and the tables have nothing older: the replay begins with the log"
            ),
        }
    }
    Ok(())
}

/// As `hoga up` would run, but for what must not touch the original: folder, warehouse, ports, brokers; and nothing expires.
fn configured(args: &ReplayArgs, (from_ms, to_ms): (Option<i64>, Option<i64>)) -> Result<UpConfig, Failure> {
    let up = UpArgs {
        // whatever the environment says, these are the replay's
        exchange: ExchangeArgs { source: Some("upbit".to_owned()), ..ExchangeArgs::default() },
        data: Some(args.into.display().to_string()),
        http: Some(args.http.clone()),
        kafka: Some(args.kafka.clone()),
        postgres: Some(args.postgres.clone()),
        pipeline: args.pipeline.clone(),
        // empty: none, whatever the environment says
        brokers: Some(args.brokers.clone().unwrap_or_default()),
        cluster: args.cluster.clone(),
        checkpoint_interval: args.checkpoint_interval.clone(),
        log_level: args.log_level.clone(),
        ..UpArgs::default()
    };
    let mut config = UpConfig::load(&up)?;
    config.warehouse = Warehouse::resolve(None, &config.data, |_| None).map_err(Failure::user)?;
    config.log_retention = Duration::from_millis(i64::MAX as u64);
    config.log_retention_bytes = u64::MAX;
    config.source = Source::Log(LogStretch {
        of: args.brokers.clone().unwrap_or_else(|| args.data.display().to_string()),
        from: from_ms.map_or_else(|| "the beginning".to_owned(), utc_iso),
        to: to_ms.map_or_else(|| "now".to_owned(), utc_iso),
        speed: speed_of(&args.speed)?.to_string(),
    });
    Ok(config)
}

/// The log that is read.
async fn open_source(args: &ReplayArgs, config: &UpConfig) -> Result<Arc<dyn Log>, Failure> {
    if args.brokers.is_some() {
        return Cluster::open_to_read(config).await;
    }
    let folder = absolute(&args.data).join("log");
    if !folder.is_dir() {
        let data = args.data.display();
        return Err(Failure::user(format!("\"{data}\" has no log; give the folder that hoga up --data wrote")));
    }
    match DiskLog::open(DiskOptions::new(folder)) {
        Ok((log, _)) => Ok(Arc::new(log)),
        Err(error @ LogError::Locked { .. }) => Err(Failure::user(format!(
            "{}; a hoga that runs there is read through its Kafka listener: --brokers 127.0.0.1:9092",
            Failure::of(&error).message()
        ))),
        Err(error) => Err(Failure::of(&error)),
    }
}

/// What was asked for, else what the pipeline reads and does not write itself.
fn topics_of(args: &ReplayArgs, config: &UpConfig) -> Result<Vec<String>, Failure> {
    let graph = check::plan(config.pipeline.as_deref())?.graph;
    let read: BTreeSet<&str> = graph.source_topics().collect();
    let written: BTreeSet<&str> = graph.sink_topics().collect();
    let asked = args.topic.iter().flat_map(|list| list.split(',')).map(str::trim);
    let asked: BTreeSet<&str> = asked.filter(|name| !name.is_empty()).collect();
    for topic in &asked {
        if !read.contains(topic) {
            let read = read.iter().copied().collect::<Vec<_>>().join(", ");
            return Err(Failure::user(format!("--topic \"{topic}\": the pipeline does not read it; it reads {read}")));
        }
        if written.contains(topic) {
            return Err(Failure::user(format!("--topic \"{topic}\": the pipeline writes it by itself")));
        }
    }
    // bars that the recorded run computed again: this one computes its own, and an older log has no such topic
    let by_default = read.difference(&written).copied().filter(|topic| *topic != BAR_TOPIC);
    let wanted: BTreeSet<&str> = if asked.is_empty() { by_default.collect() } else { asked };
    match wanted.is_empty() {
        true => Err(Failure::user("the pipeline reads no topic; there is nothing to replay")),
        false => Ok(wanted.into_iter().map(str::to_owned).collect()),
    }
}

/// A replay begins with nothing, or its rows would be among others.
fn refuse_used(into: &Path) -> Result<(), Failure> {
    if std::fs::read_dir(into).is_ok_and(|mut files| files.next().is_some()) {
        let into = into.display();
        return Err(Failure::user(format!(
            "\"{into}\" is there already; give another folder with --into, or remove it"
        )));
    }
    Ok(())
}

fn speed_of(text: &str) -> Result<Speed, Failure> {
    match text.trim_end_matches('x').parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if (0.001..=1e9).contains(&times) => Ok(Speed::Times(times)),
        _ => Err(Failure::user(format!("--speed \"{text}\": write how many times as fast, as 100, or max"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn speeds_as_people_write_them() {
        assert_eq!(speed_of("max").unwrap(), Speed::Max);
        assert_eq!(speed_of("100x").unwrap(), Speed::Times(100.0));
        for wrong in ["0", "-1", "fast", "nan", "inf"] {
            assert!(speed_of(wrong).is_err(), "{wrong}");
        }
    }
}
