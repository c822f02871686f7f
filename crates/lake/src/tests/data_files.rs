//! Data files by our own hand are described as Paimon's own writer does it.

use super::support::{batch, open, rows, sorted, spec, trade_schema};
use crate::pack::PackedBatch;

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
