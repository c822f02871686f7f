//! `/metrics`: the health in Prometheus' text format. Seconds and bytes, as Prometheus asks; counters end in `_total`.

use std::fmt::{Display, Write};

use crate::health::{ExchangeState, Health, KafkaHealth};

/// Writes every number of `health` once.
pub(super) fn render(health: &Health) -> String {
    let mut text = Text::default();
    process(&mut text, health);
    source(&mut text, health);
    collector(&mut text, health);
    gaps(&mut text, health);
    bars(&mut text, health);
    topics(&mut text, health);
    new_fields(&mut text, health);
    jobs(&mut text, health);
    event_time(&mut text, health);
    tables(&mut text, health);
    page(&mut text, health);
    if let Some(kafka) = &health.kafka {
        kafka_listener(&mut text, kafka);
    }
    text.0
}

fn process(text: &mut Text, health: &Health) {
    text.family("hoga_info", "gauge", "Version and source; always 1.");
    text.sample("hoga_info", &[("version", &health.version), ("source", &health.source.name)], 1);
    text.gauge("hoga_uptime_seconds", "Time since the start.", seconds(health.uptime_ms));
    text.gauge("hoga_resident_memory_bytes", "Memory of the process.", health.process.resident_bytes);
    text.counter("hoga_cpu_seconds_total", "CPU time of the process.", health.process.cpu_seconds_total);
    text.family("hoga_visible_latency_seconds", "gauge", "From the receipt of an event to its being visible to SQL.");
    let latency = &health.visible_latency;
    for (quantile, value) in [("0.5", latency.p50_ms), ("0.99", latency.p99_ms)] {
        if let Some(value_ms) = value {
            text.sample("hoga_visible_latency_seconds", &[("quantile", quantile)], value_ms / 1_000.0);
        }
    }
    text.counter("hoga_dead_letters_total", "Records that nobody could read.", health.dead_letters_total);
}

fn source(text: &mut Text, health: &Health) {
    let source = &health.source;
    text.gauge("hoga_source_connected", "1 while events come in.", u8::from(source.state == ExchangeState::Connected));
    text.gauge("hoga_source_simulated", "1 if the source is not the exchange.", u8::from(source.simulated));
    text.counter("hoga_source_reconnects_total", "Connections made again.", source.reconnects_total);
    let connections = &source.connections;
    text.gauge("hoga_connections_wanted", "Connections to the exchange that there should be.", connections.wanted);
    text.gauge("hoga_connections", "Connections that bring every market.", connections.settled);
    text.counter("hoga_connections_lost_total", "Connections that stood and were lost.", connections.lost_total);
    text.counter("hoga_connections_renewed_total", "Connections replaced in time.", connections.renewed_total);
    text.counter(
        "hoga_frames_repeated_total",
        "Frames that another connection had brought already.",
        connections.repeated_total,
    );
    text.family("hoga_events_received_total", "counter", "Events received.");
    for stream in &health.streams {
        text.sample("hoga_events_received_total", &[("stream", &stream.name)], stream.received_total);
    }
    text.family("hoga_event_age_seconds", "gauge", "Time since the last event.");
    for stream in &health.streams {
        if let Some(age_ms) = stream.last_event_age_ms {
            text.sample("hoga_event_age_seconds", &[("stream", &stream.name)], seconds(age_ms));
        }
    }
}

fn kafka_listener(text: &mut Text, kafka: &KafkaHealth) {
    text.gauge("hoga_kafka_connections", "Kafka clients connected.", kafka.connections);
    text.gauge("hoga_kafka_groups", "Consumer groups with members.", kafka.groups);
    text.gauge("hoga_kafka_group_members", "Members of consumer groups.", kafka.members);
    for (name, help, value) in [
        ("hoga_kafka_connections_total", "Connections of Kafka clients.", kafka.connections_total),
        ("hoga_kafka_connections_rejected_total", "Connections over a limit.", kafka.connections_rejected_total),
        ("hoga_kafka_bytes_in_total", "Bytes from Kafka clients.", kafka.bytes_in_total),
        ("hoga_kafka_bytes_out_total", "Bytes to Kafka clients.", kafka.bytes_out_total),
        (
            "hoga_kafka_bytes_out_of_files_total",
            "Of these, bytes that the kernel moved from a segment file to the socket.",
            kafka.bytes_out_of_files_total,
        ),
        (
            "hoga_kafka_protocol_errors_total",
            "Connections closed for bytes that are no request.",
            kafka.protocol_errors_total,
        ),
        (
            "hoga_kafka_requests_too_large_total",
            "Connections closed for a request over a limit.",
            kafka.requests_too_large_total,
        ),
        ("hoga_kafka_stalled_total", "Connections closed because the client stood still.", kafka.stalled_total),
        ("hoga_kafka_authentication_failures_total", "Wrong passwords.", kafka.authentication_failures_total),
        ("hoga_kafka_fetches_shrunk_total", "Fetches cut short for slow readers' sake.", kafka.fetches_shrunk_total),
    ] {
        text.counter(name, help, value);
    }
    text.family("hoga_kafka_requests_total", "counter", "Requests by API.");
    for (api, count) in &kafka.requests_total {
        text.sample("hoga_kafka_requests_total", &[("api", api)], count);
    }
    text.family("hoga_kafka_errors_total", "counter", "Errors answered, by API and the protocol's code.");
    for (api, code, count) in &kafka.errors_total {
        text.sample("hoga_kafka_errors_total", &[("api", api), ("code", &code.to_string())], count);
    }
}

fn gaps(text: &mut Text, health: &Health) {
    let Some(gaps) = &health.gaps else { return };
    text.gauge("hoga_gaps_open", "Streams of markets of which nothing is received.", gaps.open);
    text.gauge("hoga_gaps_pending", "Gaps that are over and not repaired yet.", gaps.pending);
    text.counter(
        "hoga_gap_trades_repaired_total",
        "Trades that were missed and got over REST.",
        gaps.trades_repaired_total,
    );
    text.counter("hoga_gap_calls_total", "Pages of trades asked for over REST.", gaps.calls_total);
    text.counter(
        "hoga_gap_calls_limited_total",
        "Pages that the exchange refused for there were too many.",
        gaps.calls_limited_total,
    );
    text.gauge("hoga_gap_repair_failing", "1 while REST does not answer.", u8::from(gaps.failing));
    if let Some(age_ms) = gaps.verified_age_ms {
        text.gauge(
            "hoga_trades_verified_age_seconds",
            "Up to how long ago all trades were compared with the exchange's list.",
            age_ms as f64 / 1_000.0,
        );
    }
}

fn bars(text: &mut Text, health: &Health) {
    let Some(bars) = &health.bars else { return };
    text.gauge("hoga_bars_due", "Bars to be compared with their trades, when they are over.", bars.due);
    text.counter("hoga_bars_checked_total", "Bars compared with their trades.", bars.checked_total);
    text.counter("hoga_bars_corrected_total", "Bars computed again since they differed.", bars.corrected_total);
    text.counter("hoga_bars_unexplained_total", "Bars without a trade.", bars.unexplained_total);
    text.gauge("hoga_bars_failing", "1 while bars cannot be compared.", u8::from(bars.failing));
}

fn collector(text: &mut Text, health: &Health) {
    let Some(collector) = &health.collector else { return };
    text.gauge("hoga_collector_leading", "1 while this collector writes.", u8::from(collector.leading));
    text.counter("hoga_collector_takeovers_total", "How often it began to lead.", collector.takeovers_total);
    text.gauge("hoga_collector_window_events", "Events kept in case the leader dies.", collector.window_events);
    text.counter(
        "hoga_collector_window_overflowed_total",
        "Events dropped from there early, for lack of room.",
        collector.window_overflowed_total,
    );
    text.gauge("hoga_collector_waiting_events", "Events that wait to be written.", collector.waiting_events);
    text.gauge("hoga_collector_failing", "1 while it cannot write.", u8::from(collector.trouble.is_some()));
}

fn topics(text: &mut Text, health: &Health) {
    text.family("hoga_topic_bytes", "gauge", "Size of the topic's segments.");
    for topic in &health.topics {
        text.sample("hoga_topic_bytes", &[("topic", &topic.name)], topic.bytes);
    }
    for (name, help, is_start) in [
        ("hoga_topic_start_offset", "The oldest offset kept.", true),
        ("hoga_topic_end_offset", "The offset that the next record gets.", false),
    ] {
        text.family(name, "gauge", help);
        for topic in &health.topics {
            for partition in &topic.partitions {
                let labels = [("topic", &*topic.name), ("partition", &*partition.partition.to_string())];
                text.sample(name, &labels, if is_start { partition.start_offset } else { partition.end_offset });
            }
        }
    }
}

fn new_fields(text: &mut Text, health: &Health) {
    let name = "hoga_new_field_values_total";
    text.family(
        name,
        "counter",
        "Values of fields that the pipeline does not declare; hoga status tells how to take them.",
    );
    for field in &health.new_fields {
        text.sample(name, &[("topic", &field.topic), ("field", &field.field)], field.values_total);
    }
    text.counter(
        "hoga_new_field_values_unlisted_total",
        "Values of further such fields.",
        health.new_fields_unlisted_total,
    );
}

fn jobs(text: &mut Text, health: &Health) {
    let mut family = |name, kind, help, value: fn(&crate::health::JobHealth) -> Option<f64>| {
        text.family(name, kind, help);
        for job in &health.jobs {
            if let Some(value) = value(job) {
                text.sample(name, &[("job", &job.name)], value);
            }
        }
    };
    family("hoga_job_rows_in_total", "counter", "Records read by the job.", |job| Some(job.rows_in_total as f64));
    family("hoga_job_rows_out_total", "counter", "Rows written by the job.", |job| Some(job.rows_out_total as f64));
    family("hoga_job_dead_letters_total", "counter", "Records the job could not read.", |job| {
        Some(job.dead_letters_total as f64)
    });
    family("hoga_job_lag_records", "gauge", "Records not yet read by the job.", |job| Some(job.lag_records as f64));
    family("hoga_job_lag_seconds", "gauge", "Age of the oldest record not yet read.", |job| job.lag_ms.map(seconds));
    family("hoga_job_failed", "gauge", "1 while the job stands still on an error.", |job| {
        Some(f64::from(u8::from(job.error.is_some())))
    });
}

fn event_time(text: &mut Text, health: &Health) {
    text.family("hoga_watermark_seconds", "gauge", "Event time of the source: seconds since the epoch.");
    for source in &health.event_time {
        if let Some(watermark_ms) = source.watermark_ms {
            text.sample("hoga_watermark_seconds", &[("source", &source.source)], watermark_ms as f64 / 1_000.0);
        }
    }
    let mut family = |name, kind, help, value: fn(&crate::health::NodeHealth) -> u64| {
        text.family(name, kind, help);
        for node in &health.nodes {
            text.sample(name, &[("node", &node.name)], value(node));
        }
    };
    family("hoga_late_rows_total", "counter", "Rows that came after their window had closed.", |node| {
        node.late_rows_total
    });
    family("hoga_state_groups", "gauge", "Groups that the node keeps.", |node| node.groups);
    family("hoga_state_bytes", "gauge", "Memory that they take.", |node| node.state_bytes);
}

fn tables(text: &mut Text, health: &Health) {
    let mut family = |name, help, value: fn(&crate::health::TableHealth) -> Option<f64>| {
        text.family(name, "gauge", help);
        for table in &health.tables {
            if let Some(value) = value(table) {
                text.sample(name, &[("table", &table.name)], value);
            }
        }
    };
    family("hoga_table_committed_rows", "Rows in the last snapshot.", |table| Some(table.committed_rows as f64));
    family("hoga_table_live_rows", "Rows visible and not yet committed.", |table| Some(table.live_rows as f64));
    family("hoga_table_snapshot_id", "The last snapshot.", |table| table.last_snapshot_id.map(|id| id as f64));
    family("hoga_table_commit_age_seconds", "Time since the last commit.", |t| t.last_commit_age_ms.map(seconds));
    family("hoga_table_files", "Data files in the last snapshot.", |table| table.files.map(|files| files as f64));
    family("hoga_table_bytes", "Size of these files.", |table| table.bytes.map(|bytes| bytes as f64));
    family("hoga_table_snapshots", "Snapshots that are kept.", |table| table.snapshots.map(|count| count as f64));
    let care = &health.care;
    for (name, help, value) in [
        ("hoga_care_compactions_total", "Merges of small files.", care.compactions_total),
        ("hoga_care_files_merged_total", "Small files that were merged.", care.files_merged_total),
        ("hoga_care_snapshots_expired_total", "Snapshots that expired.", care.snapshots_expired_total),
        ("hoga_care_partitions_expired_total", "Partitions that expired.", care.partitions_expired_total),
        ("hoga_care_files_deleted_total", "Files that no snapshot named any more.", care.files_deleted_total),
        ("hoga_care_errors_total", "Failures of the care of tables.", care.errors_total),
    ] {
        text.family(name, "counter", help);
        text.sample(name, &[], value as f64);
    }
    let checkpoint = &health.checkpoint;
    text.gauge(
        "hoga_checkpoint_failing",
        "1 while rows cannot be committed; they stay in the log and in the live tail.",
        u8::from(checkpoint.error.is_some()),
    );
    for (name, help, value) in [
        ("hoga_checkpoint_id", "The last checkpoint.", checkpoint.last_id.map(|id| id as f64)),
        ("hoga_checkpoint_duration_seconds", "How long it took.", checkpoint.duration_ms.map(seconds)),
        ("hoga_checkpoint_age_seconds", "Time since it was taken.", checkpoint.age_ms.map(seconds)),
    ] {
        if let Some(value) = value {
            text.gauge(name, help, value);
        }
    }
}

fn page(text: &mut Text, health: &Health) {
    let page = &health.page;
    text.gauge("hoga_page_streams", "Pages open.", page.streams_open);
    text.counter(
        "hoga_page_streams_refused_total",
        "Pages refused, since too many were open.",
        page.streams_refused_total,
    );
    text.counter("hoga_page_batches_missed_total", "Batches the board read too slowly for.", page.batches_missed_total);
    text.counter("hoga_page_rows_ignored_total", "Rows that named no valid market.", page.rows_ignored_total);
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        match &*labels {
            "" => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{labels}}} {value}")),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // writing to a String cannot fail
        let _written = writeln!(self.0, "{line}");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
