//! `hoga status`: what a running hoga says of itself.

use crate::cli::{PageArgs, StatusArgs};
use crate::commands::page::PageClient;
use crate::failure::{Failure, with_causes};
use crate::output;
use hoga_serve::health::{Health, NewFieldHealth};
use std::fmt::Write;

pub fn run(args: &StatusArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    let text = runtime.block_on(fetch(&args.page))?;
    if args.json {
        return output::line!("{text}");
    }
    output::text(format_args!("{}", in_words(&read(&text)?)))
}

/// What a running hoga says of itself.
pub async fn health(page: &PageArgs) -> Result<Health, Failure> {
    read(&fetch(page).await?)
}

fn read(text: &str) -> Result<Health, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::external(format!("the answer is not a status: {error}")))
}

async fn fetch(page: &PageArgs) -> Result<String, Failure> {
    let answer = PageClient::of(page)?.get("/api/status").await?;
    answer.text().await.map_err(|error| Failure::external(format!("the status broke off: {}", with_causes(&error))))
}

fn in_words(health: &Health) -> String {
    let mut text = String::new();
    let seconds = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{:.1} s ago", ms as f64 / 1_000.0));
    // writing into a String cannot fail
    let source = &health.source;
    let simulated = if source.simulated { "  SIMULATED" } else { "" };
    let _ = writeln!(
        text,
        "source      {} ({:?}){simulated}{}",
        source.name,
        source.state,
        source.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"))
    );
    let connections = &source.connections;
    if connections.wanted > 1 || connections.lost_total + connections.renewed_total > 0 {
        let loss = connections.loss.as_ref().map_or(String::new(), |loss| format!("  last loss: {loss}"));
        let _ = writeln!(
            text,
            "connections {} of {}  {} lost  {} renewed  {} frames repeated{loss}",
            connections.settled,
            connections.wanted,
            connections.lost_total,
            connections.renewed_total,
            connections.repeated_total
        );
    }
    for stream in &health.streams {
        let _ = writeln!(
            text,
            "stream      {:<10} {:>10} received  {:>8.1}/s  last {}",
            stream.name,
            stream.received_total,
            stream.rate_per_s,
            seconds(stream.last_event_age_ms)
        );
    }
    if let Some(gaps) = &health.gaps {
        let failing = if gaps.failing { "  REST DOES NOT ANSWER" } else { "" };
        let _ = writeln!(
            text,
            "gaps        {} open  {} pending  {} trades repaired  all compared up to {}{failing}",
            gaps.open,
            gaps.pending,
            gaps.trades_repaired_total,
            seconds(gaps.verified_age_ms)
        );
    }
    if let Some(bars) = &health.bars {
        let failing = if bars.failing { "  FAILING, see the log" } else { "" };
        let _ = writeln!(
            text,
            "bars        {} to compare with their trades  {} compared  {} computed again{failing}",
            bars.due, bars.checked_total, bars.corrected_total
        );
    }
    for job in &health.jobs {
        let error = job.error.as_ref().map_or(String::new(), |error| format!("  FAILED: {error}"));
        let _ = writeln!(
            text,
            "job         {:<34} {:>8.1} rows/s  lag {}  dead letters {}{error}",
            job.name, job.rate_per_s, job.lag_records, job.dead_letters_total
        );
    }
    for source in &health.event_time {
        let Some(watermark_ms) = source.watermark_ms else { continue };
        let held_by = source.held_by.map_or(String::new(), |partition| format!("  held by partition {partition}"));
        let _ = writeln!(text, "event time  {:<34} {}{held_by}", source.topic, hoga_model::time::utc_iso(watermark_ms));
    }
    for node in &health.nodes {
        let late = match (node.late_rows_total, &node.last_late) {
            (0, _) => String::new(),
            (rows, last) => format!("  LATE {rows} rows, last: {}", last.as_deref().unwrap_or("unknown")),
        };
        let _ = writeln!(
            text,
            "{:<11} {:<34} {:>8} groups  {:.1} MB{late}",
            node.kind,
            node.name,
            node.groups,
            node.state_bytes as f64 / 1e6
        );
    }
    for field in &health.new_fields {
        new_field(&mut text, field);
    }
    if health.new_fields_unlisted_total > 0 {
        let _ =
            writeln!(text, "new field   {} values of further fields, not told apart", health.new_fields_unlisted_total);
    }
    for table in &health.tables {
        let _ = writeln!(
            text,
            "table       {:<20} {:>10} committed  {:>7} live  last commit {}",
            table.name,
            table.committed_rows,
            table.live_rows,
            seconds(table.last_commit_age_ms)
        );
    }
    let checkpoint = &health.checkpoint;
    let _ = writeln!(
        text,
        "checkpoint  {}  {}",
        checkpoint.last_id.map_or("none".to_owned(), |id| id.to_string()),
        seconds(checkpoint.age_ms)
    );
    let latency = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
    let _ = writeln!(
        text,
        "visible     p50 {}  p99 {} after receipt (last minute)",
        latency(health.visible_latency.p50_ms),
        latency(health.visible_latency.p99_ms)
    );
    let _ = writeln!(
        text,
        "process     {:.1} MB  {:.2} cores",
        health.process.resident_bytes as f64 / 1e6,
        health.process.cpu_cores
    );
    text
}

/// A field that the pipeline does not declare, and what to write so that it does.
fn new_field(text: &mut String, field: &NewFieldHealth) {
    let example = field.example.as_ref().map_or_else(String::new, |example| format!("  such as {example}"));
    let advice = match (&field.column, field.pipeline.len()) {
        (Some(_), 1..) => "  to take it, add to the pipeline file and start again:",
        (Some(_), 0) => "  no lake table takes this topic's rows as they are",
        (None, _) if field.example.is_none() => "  only NULL until now: no type is known",
        (None, _) => "  inside a column, which cannot be widened; it stays in the topic",
    };
    let _ = writeln!(
        text,
        "new field   {:<34} {:>10} values{example}{advice}",
        format!("{}.{}", field.topic, field.field),
        field.values_total
    );
    for line in &field.pipeline {
        let _ = writeln!(text, "              {:<34} {}", line.statement, line.line);
    }
    for statement in &field.alter {
        let _ = writeln!(text, "              in Flink, before:                  {statement}");
    }
}
