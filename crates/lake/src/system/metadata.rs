//! System tables whose rows are files of metadata: snapshots, schemas, tags, consumers; and the options.

use super::{Source, longs, texts, times};
use crate::error::{LakeError, Result};
use crate::expire::tags_of;
use arrow::array::ArrayRef;
use paimon::spec::{Snapshot, TableSchema};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

impl Source<'_> {
    /// Oldest first.
    pub(super) async fn snapshots(&self) -> Result<Vec<ArrayRef>> {
        let found: Vec<Snapshot> = self.live.committer.all_snapshots().await?.into_values().collect();
        let long = |value: fn(&Snapshot) -> Option<i64>| longs(found.iter().map(value));
        let text = |value: fn(&Snapshot) -> Option<String>| texts(found.iter().map(value));
        Ok(vec![
            long(|snapshot| Some(snapshot.id())),
            long(|snapshot| Some(snapshot.schema_id())),
            text(|snapshot| Some(snapshot.commit_user().to_owned())),
            long(|snapshot| Some(snapshot.commit_identifier())),
            text(|snapshot| Some(format!("{:?}", snapshot.commit_kind()))),
            times(found.iter().map(commit_time)),
            text(|snapshot| Some(snapshot.base_manifest_list().to_owned())),
            text(|snapshot| Some(snapshot.delta_manifest_list().to_owned())),
            text(|snapshot| snapshot.changelog_manifest_list().map(str::to_owned)),
            long(Snapshot::total_record_count),
            long(Snapshot::delta_record_count),
            long(Snapshot::changelog_record_count),
            long(Snapshot::watermark),
            long(Snapshot::next_row_id),
        ])
    }

    /// Oldest first.
    pub(super) async fn schemas(&self) -> Result<Vec<ArrayRef>> {
        let manager = self.table.schema_manager();
        let mut found = Vec::new();
        for id in manager.list_all_ids().await.map_err(self.failed())? {
            found.push(manager.schema(id).await.map_err(self.failed())?);
        }
        let mut columns: [Vec<String>; 4] = Default::default();
        for schema in &found {
            let sorted: BTreeMap<_, _> = schema.options().iter().collect();
            columns[0].push(self.json(schema.fields())?);
            columns[1].push(self.json(schema.partition_keys())?);
            columns[2].push(self.json(schema.primary_keys())?);
            columns[3].push(self.json(&sorted)?);
        }
        let [fields, partition_keys, primary_keys, options] = columns.map(|column| texts(column.into_iter().map(Some)));
        Ok(vec![
            longs(found.iter().map(|schema| Some(schema.id()))),
            fields,
            partition_keys,
            primary_keys,
            options,
            texts(found.iter().map(|schema| Some(schema.comment().unwrap_or_default().to_owned()))),
            times(found.iter().map(|schema| Some(schema.time_millis()))),
        ])
    }

    /// Those of the newest schema that is open here, in the order of their names.
    pub(super) fn options(&self) -> Vec<ArrayRef> {
        let schema: &TableSchema = self.table.schema();
        let sorted: BTreeMap<_, _> = schema.options().iter().collect();
        vec![
            texts(sorted.keys().map(|key| Some((*key).clone()))),
            texts(sorted.values().map(|value| Some((*value).clone()))),
        ]
    }

    /// In the order of their names.
    pub(super) async fn tags(&self) -> Result<Vec<ArrayRef>> {
        let tags = tags_of(self.table);
        let mut found = Vec::new();
        for name in tags.list_all_names().await.map_err(self.failed())? {
            if let Some((snapshot, created_ms, retained_s)) =
                tags.get_with_metadata(&name).await.map_err(self.failed())?
            {
                found.push((name, snapshot, created_ms, retained_s));
            }
        }
        Ok(vec![
            texts(found.iter().map(|tag| Some(tag.0.clone()))),
            longs(found.iter().map(|tag| Some(tag.1.id()))),
            longs(found.iter().map(|tag| Some(tag.1.schema_id()))),
            times(found.iter().map(|tag| commit_time(&tag.1))),
            longs(found.iter().map(|tag| tag.1.total_record_count())),
            times(found.iter().map(|tag| tag.2)),
            texts(found.iter().map(|tag| tag.3.and_then(iso_duration))),
        ])
    }

    /// In the order of their names.
    pub(super) async fn consumers(&self) -> Result<Vec<ArrayRef>> {
        let mut found = self.live.committer.consumers().await?;
        found.sort();
        Ok(vec![
            texts(found.iter().map(|consumer| Some(consumer.0.clone()))),
            longs(found.iter().map(|consumer| Some(consumer.1))),
        ])
    }

    fn json(&self, value: &(impl Serialize + ?Sized)) -> Result<String> {
        serde_json::to_string(value).map_err(|error| LakeError::Encoding {
            table: self.live.name().to_owned(),
            what: "a schema",
            reason: error.to_string(),
        })
    }
}

fn commit_time(snapshot: &Snapshot) -> Option<i64> {
    i64::try_from(snapshot.time_millis()).ok()
}

/// As Java's `Duration.toString` writes it: PT24H, PT1H30M, PT0.5S.
fn iso_duration(seconds: f64) -> Option<String> {
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    let (hours, minutes) = (duration.as_secs() / 3_600, duration.as_secs() / 60 % 60);
    let (seconds, millis) = (duration.as_secs() % 60, duration.subsec_millis());
    let mut text = "PT".to_owned();
    for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if millis > 0 {
        text.push_str(format!("{seconds}.{millis:03}").trim_end_matches('0'));
        text.push('S');
    } else if seconds > 0 || text == "PT" {
        text.push_str(&format!("{seconds}S"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_javas() {
        for (seconds, expected) in
            [(86_400.0, "PT24H"), (5_400.0, "PT1H30M"), (0.5, "PT0.5S"), (0.0, "PT0S"), (61.25, "PT1M1.25S")]
        {
            assert_eq!(iso_duration(seconds).as_deref(), Some(expected));
        }
        assert_eq!(iso_duration(-1.0), None);
    }
}
