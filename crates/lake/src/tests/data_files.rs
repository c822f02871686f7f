//! Data files by our own hand are described as Paimon's own writer does it.

use super::bars::{Change, bar_table_in, changes, delete, upsert};
use super::support::{batch, open, rows, sorted, spec, trade_schema};
use crate::pack::PackedBatch;
use crate::prepare::{KeyedWriter, PartToWrite};
use crate::{LiveTableOptions, RowKind};

/// Everything that a manifest says of the files, but for their names, sizes and times.
#[tokio::test]
async fn described_as_by_paimon() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let table = lake.ensure_table(&spec("trade", trade_schema()), sorted()).await.unwrap();
    let batches: Vec<PackedBatch> =
        [rows(0..500), rows(500..900)].iter().map(|rows| PackedBatch::of(&batch(rows)).unwrap()).collect();
    let batches: Vec<&PackedBatch> = batches.iter().collect();
    let order: Vec<(usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
        .collect();
    let mut writer = table.writer.clone();
    assert!(writer.direct.is_some(), "an append table without options is written by hand");
    let mut described = Vec::new();
    for _ in 0..2 {
        let mut messages = writer.write_stretch(&batches, &order, 100, 256, &["id".to_owned()]).await.unwrap();
        for message in &mut messages {
            for file in &mut message.new_files {
                assert!(folder.path().join("upbit.db/trade").exists() && file.file_name.starts_with("data-"));
                (file.file_name, file.file_size, file.creation_time) = (String::new(), 0, None);
            }
        }
        messages.sort_by(|left, right| left.partition.cmp(&right.partition));
        described.push(messages.iter().map(|message| message.serialize().unwrap()).collect::<Vec<_>>());
        writer.direct = None;
    }
    assert_eq!(described[0].len(), 3, "one for each day");
    assert_eq!(described[0], described[1]);
}

/// The same of a primary-key table, but for the sequence numbers: all rows of ours have the last one of Paimon's.
#[tokio::test]
async fn changes_described_as_by_paimon() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let table = bar_table_in(&lake, "1", "none", 9).await;
    let note = |note: &str, market| ((market, 1), RowKind::Insert, (7, Some(note.repeat(3))));
    let batches: [Vec<Change>; 3] = [
        vec![upsert(0, 0, 5), upsert(1, 3, 2), upsert(3, 2, 8), note("long text ", 2)],
        vec![delete(1, 3), upsert(0, 0, 6), ((2, 5), RowKind::UpdateBefore, (1, None))],
        vec![upsert(2, 0, 1), delete(9, 4)],
    ];
    batches.iter().for_each(|batch| table.apply(changes(batch)).unwrap());
    let part =
        PartToWrite { batches: crate::live::lock(&table.tail).batches().to_vec(), number: 0, known_snapshot: None };
    let mut writer = table.writer.clone();
    assert!(writer.direct.is_some(), "a primary-key table of one bucket is written by hand");
    let mut described = Vec::new();
    for _ in 0..2 {
        writer.keyed = writer.keyed.map(|keyed| KeyedWriter::new(keyed.codec));
        let prepared = writer.clone().prepare(part.clone(), 1).await.unwrap();
        let mut messages = prepared.decode().unwrap();
        for file in messages.iter_mut().flat_map(|message| &mut message.new_files) {
            (file.file_name, file.file_size, file.creation_time) = (String::new(), 0, None);
            assert!((0..7).contains(&file.max_sequence_number));
            (file.min_sequence_number, file.max_sequence_number) = (0, 0);
        }
        messages.sort_by(|left, right| left.partition.cmp(&right.partition));
        assert_eq!((prepared.rows, prepared.files), (7, 2));
        described.push(messages);
        writer.direct = None;
    }
    for (ours, theirs) in described[0].iter().zip(&described[1]) {
        assert_eq!(format!("{:?}", ours.new_files), format!("{:?}", theirs.new_files));
        assert_eq!(ours.serialize().unwrap(), theirs.serialize().unwrap());
    }
}

#[tokio::test]
async fn primary_key_tables_with_other_options_are_paimons() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    for (number, (options, is_ours)) in [
        (vec![("bucket", "1")], true),
        (vec![("bucket", "1"), ("merge-engine", "deduplicate"), ("changelog-producer", "none")], true),
        (vec![("bucket", "2")], false),
        (vec![("bucket", "1"), ("changelog-producer", "input")], false),
        (vec![("bucket", "1"), ("file.format", "orc")], false),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = crate::TableSpec { table: format!("t{number}"), ..super::bars::bar_spec(&options) };
        let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap();
        assert_eq!(table.writer.direct.is_some(), is_ours, "{options:?}");
    }
}

/// Paimon's writer takes over for a partition whose name is no folder's, and nothing is lost between the two.
#[tokio::test]
async fn a_partition_with_another_name_is_paimons() {
    use super::support::checkpoint;
    use crate::ChangeBatch;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("value", DataType::Int64, true),
        Field::new("dt", DataType::Utf8, false),
    ]));
    let spec = crate::TableSpec {
        primary_keys: vec!["id".into(), "dt".into()],
        options: [("bucket".to_owned(), "1".to_owned())].into(),
        ..spec("named", schema.clone())
    };
    let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap();
    let mut expected = std::collections::BTreeMap::new();
    for (number, names) in [["a", "b"], ["a", "b c"], ["a", "b"], ["b c", "b"]].into_iter().enumerate() {
        let value = number as i64 + 1;
        let ids = [7, 8];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(ids)),
            Arc::new(Int64Array::from_iter_values([value, value])),
            Arc::new(StringArray::from_iter_values(names)),
        ];
        let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
        table.apply(ChangeBatch { rows, kinds: None }).unwrap();
        checkpoint(&table, value).await;
        for (name, id) in names.iter().zip(ids) {
            expected.insert((id, name.to_string()), value);
        }
        let read = super::bars::cells(&super::support::read(&table.view(), Default::default()).await);
        let mut wanted: Vec<Vec<String>> =
            expected.iter().map(|((id, name), value)| vec![id.to_string(), value.to_string(), name.clone()]).collect();
        wanted.sort();
        assert_eq!(read, wanted, "after part {value}");
    }
}

#[tokio::test]
async fn tables_with_other_options_are_paimons() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    for (option, value, is_ours) in [
        ("bucket", "-1", true),
        ("file.format", "orc", false),
        ("file.compression", "lz4", false),
        ("file-index.bloom-filter.columns", "market", false),
        ("snapshot.num-retained.max", "7", true),
    ] {
        let mut spec = spec(&option.replace(['.', '-'], "_"), trade_schema());
        spec.options.insert(option.into(), value.into());
        let table = lake.ensure_table(&spec, sorted()).await.unwrap();
        assert_eq!(table.writer.direct.is_some(), is_ours, "{option} = {value}");
    }
}
