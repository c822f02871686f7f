//! The whole text of a small health, and that it is what Prometheus reads.

use super::*;
use crate::health::{JobHealth, NewFieldHealth, PartitionHealth, SourceHealth, StreamHealth, TableHealth, TopicHealth};

fn health() -> Health {
    let partitions = vec![PartitionHealth { partition: 2, start_offset: 5, end_offset: 17 }];
    Health {
        version: "0.1.0".to_owned(),
        uptime_ms: 1_500,
        source: SourceHealth {
            name: "replay:a \"b\"\\c.jsonl".to_owned(),
            simulated: true,
            state: ExchangeState::Connected,
            ..Default::default()
        },
        streams: vec![StreamHealth { name: "trade".to_owned(), received_total: 9, ..Default::default() }],
        topics: vec![TopicHealth { name: "upbit-trade".to_owned(), bytes: 10, partitions }],
        new_fields: vec![NewFieldHealth {
            topic: "upbit-trade".to_owned(),
            field: "a\"b".to_owned(),
            values_total: 4,
            ..Default::default()
        }],
        jobs: vec![JobHealth { name: "trade".to_owned(), lag_records: 3, lag_ms: Some(250), ..Default::default() }],
        tables: vec![TableHealth { name: "trade".to_owned(), committed_rows: 7, ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn numbers_are_there_once_with_their_labels() {
    let text = render(&health());
    for line in [
        r#"hoga_info{version="0.1.0",source="replay:a \"b\"\\c.jsonl"} 1"#,
        "hoga_uptime_seconds 1.5",
        r#"hoga_events_received_total{stream="trade"} 9"#,
        r#"hoga_topic_end_offset{topic="upbit-trade",partition="2"} 17"#,
        r#"hoga_job_lag_seconds{job="trade"} 0.25"#,
        r#"hoga_table_committed_rows{table="trade"} 7"#,
        "hoga_source_simulated 1",
        r#"hoga_new_field_values_total{topic="upbit-trade",field="a\"b"} 4"#,
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line} in\n{text}");
    }
    assert!(!text.lines().any(|line| line.starts_with("hoga_checkpoint_id ")), "it has not happened yet");
}

#[test]
fn every_sample_follows_its_own_type() {
    let text = render(&health());
    let mut family = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').expect("a name and a kind");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = name;
        } else if !line.starts_with('#') {
            let name = line.split([' ', '{']).next().expect("a name");
            assert_eq!(name, family, "{line}");
            let value = line.rsplit(' ').next().expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
