//! Primary-key tables: single cases, each with its name.

use super::bars::*;
use super::support::*;
use crate::{ChangeBatch, LakeError, LiveTableOptions, RowKind, ScanRequest, TableSpec};
use arrow::datatypes::{DataType, Field, Schema};
use hoga_model::{Fault, Faulty};
use std::sync::Arc;

fn model(changes: &[&[Change]]) -> Model {
    let mut model = Model::new();
    changes.iter().for_each(|batch| change_model(&mut model, batch));
    model
}

#[tokio::test]
async fn a_filter_does_not_bring_back_an_older_version() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table(&lake, "none").await;
    let old = [upsert(0, 0, 9), upsert(1, 0, 9), upsert(2, 0, 9), upsert(3, 0, 1)];
    let new = [upsert(0, 0, 3), delete(1, 0), upsert(3, 0, 8)];
    table.apply(changes(&old)).unwrap();
    checkpoint(&table, 1).await;
    table.apply(changes(&new)).unwrap();
    let above = || ScanRequest { filter: vec![Condition::CloseAbove(5).filter()], ..Default::default() };
    for stage in ["newest in the tail", "newest in a second file"] {
        // Below the filter that DataFusion applies again, nothing may be an older version of a row.
        let read = cells(&read(&table.view(), above()).await);
        let there = model_cells(&model(&[&old, &new]), None);
        assert!(read.iter().all(|row| there.contains(row)), "{stage}: {read:?}");
        assert!(read.iter().any(|row| row[0] == "9.00000000") && read.iter().any(|row| row[0] == "8.00000000"));
        // …and without the key among the columns.
        for projection in [vec![0], vec![3, 0], vec![]] {
            let model = model(&[&old, &new]);
            check_scan(&table.view(), &model, Some(projection), &[Condition::CloseAbove(5)], None).await;
        }
        checkpoint(&table, 2).await;
    }
}

#[tokio::test]
async fn counting_counts_keys() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table(&lake, "none").await;
    for round in 0..4 {
        let batch: Vec<Change> = (0..MARKETS).map(|market| upsert(market, round % 2, round)).collect();
        table.apply(changes(&batch)).unwrap();
        for _ in 0..2 {
            let view = table.view();
            let plan = view.scan(ScanRequest { projection: Some(vec![]), ..Default::default() }).await.unwrap();
            assert!(!plan.counts_exactly());
            let request = ScanRequest { projection: Some(vec![]), ..Default::default() };
            let rows: usize = read(&view, request).await.iter().map(|batch| batch.num_rows()).sum();
            assert_eq!(rows as i64, MARKETS * (round + 1).min(2), "round {round}");
            assert!(plan.rows_upper_bound() >= rows as u64);
            checkpoint(&table, round + 1).await;
        }
    }
    assert_eq!(table.view().row_count_committed(), None, "files hold several versions");
    assert_eq!(table.status().committed_rows, None);
}

/// A limit that chose files by the rows in them would choose some whose rows are all hidden.
#[tokio::test]
async fn a_limit_counts_rows_that_are_shown() {
    for hidden in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table(&lake, "none").await;
        let of = |start| (0..MARKETS).map(move |market| upsert(market, start, 1));
        table.apply(changes(&of(0).chain(of(1)).collect::<Vec<_>>())).unwrap();
        checkpoint(&table, 1).await;
        let gone: Vec<Change> = (0..MARKETS).map(|market| delete(market, hidden)).collect();
        table.apply(changes(&gone)).unwrap();
        let there = model(&[&of(1 - hidden).collect::<Vec<_>>()]);
        for limit in 1..=MARKETS as usize + 1 {
            check_scan(&table.view(), &there, None, &[], Some(limit)).await;
        }
    }
}

/// Nothing is merged where a range of keys has one file.
#[tokio::test]
async fn a_file_whose_keys_no_other_has_is_read_by_several() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table_in(&lake, "1", "none", 8).await;
    let commits =
        [vec![upsert(0, 0, 1), upsert(1, 0, 1)], vec![upsert(2, 0, 1), upsert(3, 0, 1)], vec![upsert(3, 0, 2)]];
    // two rows of a file are two parts; the second file and the third have a key in common
    for (number, partitions) in [2, 4, 3].into_iter().enumerate() {
        table.apply(changes(&commits[number])).unwrap();
        checkpoint(&table, number as i64 + 1).await;
        let request = ScanRequest { target_partitions: 8, ..Default::default() };
        assert_eq!(table.view().scan(request).await.unwrap().partitions(), partitions, "commit {number}");
        let there = model(&commits.iter().take(number + 1).map(Vec::as_slice).collect::<Vec<_>>());
        check_scan(&table.view(), &there, None, &[], None).await;
        check_scan(&table.view(), &there, None, &[Condition::CloseAbove(1)], None).await;
    }
}

/// With `changelog-producer = input` other engines read every change, in order, and nothing of merged files.
#[tokio::test]
async fn the_changelog_has_every_change() {
    use paimon::{Catalog, catalog::Identifier, table::IncrementalScanMode};
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table(&lake, "input").await;
    let before = |close| ((0, 0), RowKind::UpdateBefore, (close, None));
    let batches = [
        vec![((0, 0), RowKind::Insert, (1, None))],
        vec![before(1), upsert(0, 0, 2), before(2), upsert(0, 0, 3)],
        vec![delete(0, 0), upsert(0, 0, 4)],
        vec![delete(0, 0)],
    ];
    for (batch, identifier) in batches.iter().zip(1..) {
        table.apply(changes(batch)).unwrap();
        checkpoint(&table, identifier).await;
    }
    check_scan(&table.view(), &Model::new(), None, &[], None).await;
    let mut options = paimon::Options::new();
    options.set(paimon::CatalogOptions::WAREHOUSE, dir.path().to_str().unwrap());
    let catalog = paimon::FileSystemCatalog::new(options).unwrap();
    let paimon = catalog.get_table(&Identifier::new("upbit", "candle_1m")).await.unwrap();
    let latest = paimon.snapshot_manager().get_latest_snapshot().await.unwrap().unwrap().id();
    let mut kinds = Vec::new();
    for snapshot in 1..=latest {
        let mut builder = paimon.new_read_builder();
        builder.with_projection(&["close"]).unwrap();
        let scan = builder.new_incremental_scan(IncrementalScanMode::Changelog, snapshot - 1, snapshot);
        let splits = scan.plan_combined().await.unwrap().into_splits();
        let read = builder.new_read().unwrap().to_arrow_with_row_kind(&splits).unwrap();
        let batches: Vec<_> = futures::TryStreamExt::try_collect(read).await.unwrap();
        for batch in &batches {
            let text = |column: usize, row| arrow::util::display::array_value_to_string(batch.column(column), row);
            kinds.extend(
                (0..batch.num_rows()).map(|row| format!("{}{}", text(0, row).unwrap(), &text(1, row).unwrap()[..1])),
            );
        }
    }
    assert_eq!(kinds, ["+I1", "-U1", "+U2", "-U2", "+U3", "-D0", "+U4", "-D0"]);
}

#[tokio::test]
async fn an_update_before_counts_only_if_nothing_follows() {
    for buckets in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 3).await;
        table.apply(changes(&[upsert(0, 0, 1), upsert(1, 0, 1)])).unwrap();
        checkpoint(&table, 1).await;
        let before = |market| ((market, 0), RowKind::UpdateBefore, (1, None));
        table.apply(changes(&[before(0), before(1), upsert(0, 0, 2)])).unwrap();
        let there = model(&[&[upsert(0, 0, 2)]]);
        check_scan(&table.view(), &there, None, &[], None).await;
        let prepared = checkpoint(&table, 2).await;
        assert_eq!(prepared.rows, 2, "one replacement and one deletion");
        check_scan(&table.view(), &there, None, &[], None).await;
    }
}

#[tokio::test]
async fn many_changes_of_few_keys_stay_small_in_memory_and_on_disk() {
    for buckets in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 3).await;
        for close in 0..5_000 {
            table.apply(changes(&[upsert(close % MARKETS, 0, close), upsert(close % MARKETS, 1, close)])).unwrap();
        }
        let status = table.status();
        assert_eq!(status.appended_rows, 10_000);
        assert!(status.tail_rows < 300, "{} rows in the tail for 8 keys", status.tail_rows);
        let sealed = table.seal();
        assert_eq!(table.prepare(&sealed, 1).await.unwrap().rows, 8);
    }
}

/// Sequence numbers decide which file has the newest version: they go on counting over parts that are not committed yet.
#[tokio::test]
async fn parts_prepared_before_the_one_before_is_committed() {
    for buckets in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 3).await;
        // The first part has the most changes: were each numbered from where the snapshot ends, its own would be the highest.
        let others: Vec<Change> =
            (1..MARKETS).flat_map(|market| (0..STARTS).map(move |start| upsert(market, start, 0))).collect();
        let mut parts = Vec::new();
        for (identifier, close) in [(1, 5), (2, 7), (3, 1)] {
            let mut batch = if identifier == 1 { others.clone() } else { vec![] };
            batch.push(upsert(0, 0, close));
            table.apply(changes(&batch)).unwrap();
            let sealed = table.seal();
            let prepared = table.prepare(&sealed, identifier).await.unwrap();
            parts.push((sealed, prepared));
        }
        let first = table.seal();
        assert!(table.prepare(&first, 4).await.unwrap().messages.is_empty());
        for (sealed, prepared) in parts {
            let committed = table.commit(&prepared).await.unwrap();
            table.publish(sealed, committed).unwrap();
        }
        check_scan(&table.view(), &model(&[&others, &[upsert(0, 0, 1)]]), None, &[], None).await;
    }
}

#[tokio::test]
async fn parts_are_prepared_in_order_and_after_a_failure_committed_first() {
    for buckets in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 3).await;
        let seal = |close| {
            table.apply(changes(&[upsert(0, 0, close)])).unwrap();
            table.seal()
        };
        let (first, second) = (seal(1), seal(2));
        let one = table.prepare(&first, 1).await.unwrap();
        let two = table.prepare(&second, 2).await.unwrap();
        let message = table.prepare(&first, 3).await.unwrap_err().to_string();
        assert!(message.contains("a part sealed later was prepared before it"), "{message}");

        // A file where the partition's directory should be: the writer fails and with it the numbers it had in mind.
        table.apply(changes(&[upsert(0, 1, 3)])).unwrap();
        let third = table.seal();
        let partition = dir.path().join("upbit.db/candle_1m").join("dt=1970-01-02");
        std::fs::write(&partition, "in the way").unwrap();
        table.prepare(&third, 3).await.unwrap_err();
        std::fs::remove_file(&partition).unwrap();
        let message = table.prepare(&third, 3).await.unwrap_err().to_string();
        assert!(message.contains("commit 1 was prepared before and has to be committed first"), "{message}");
        for (sealed, prepared) in [(first, one), (second, two)] {
            let committed = table.commit(&prepared).await.unwrap();
            table.publish(sealed, committed).unwrap();
        }
        let prepared = table.prepare(&third, 3).await.unwrap();
        let committed = table.commit(&prepared).await.unwrap();
        table.publish(third, committed).unwrap();
        check_scan(&table.view(), &model(&[&[upsert(0, 0, 2), upsert(0, 1, 3)]]), None, &[], None).await;
    }
}

#[tokio::test]
async fn a_partition_never_has_many_files() {
    for buckets in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 8).await;
        let mut there = Model::new();
        for commit in 1..=40 {
            let batch =
                [upsert(commit % MARKETS, commit % STARTS, commit), delete((commit + 1) % MARKETS, commit % STARTS)];
            change_model(&mut there, &batch);
            table.apply(changes(&batch)).unwrap();
            checkpoint(&table, commit).await;
            check_scan(&table.view(), &there, None, &[], None).await;
            let files = table.view().scan(ScanRequest::default()).await.unwrap().file_count();
            assert!(files <= 2 * (8 + 2 * (8 / 2 + 1)), "{files} files in two partitions of two buckets");
        }
        // The identifiers of checkpoints are found behind the snapshots that merged files.
        assert_eq!(table.latest_identifier().await.unwrap(), Some(40));
        drop((table, lake));
        let lake = open(dir.path());
        let table = bar_table_in(&lake, buckets, "none", 8).await;
        check_scan(&table.view(), &there, None, &[], None).await;
    }
}

#[tokio::test]
async fn subscribers_get_what_is_there_after_each_change() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = bar_table(&lake, "none").await;
    let mut receiver = table.subscribe();
    table.apply(changes(&[((0, 0), RowKind::UpdateBefore, (1, None)), upsert(0, 0, 2), delete(1, 0)])).unwrap();
    assert_eq!(cells(&[receiver.recv().await.unwrap()]), model_cells(&model(&[&[upsert(0, 0, 2)]]), None));
}

#[tokio::test]
async fn an_append_table_takes_inserts_only() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let kinds = vec![RowKind::Insert, RowKind::Delete];
    let error = table.apply(ChangeBatch { rows: batch(&rows(0..2)), kinds: Some(kinds) }).unwrap_err();
    assert!(error.to_string().contains("row 1 of a batch is -D; declare a PRIMARY KEY"), "{error}");
    assert_eq!((error.fault(), table.tail_rows()), (Fault::Internal, 0));
    let error = table.apply(ChangeBatch { rows: batch(&rows(0..2)), kinds: Some(vec![]) }).unwrap_err();
    assert!(error.to_string().contains("0 row kinds for 2 rows"), "{error}");
    table.apply(ChangeBatch { rows: batch(&rows(0..2)), kinds: Some(vec![RowKind::Insert; 2]) }).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..2)));
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_the_table_exists() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let keys = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
    let with = |option: (&str, &str)| bar_spec(&[("bucket", "1"), option]);
    let double = Arc::new(Schema::new(vec![
        Field::new("price", DataType::Float64, false),
        Field::new("dt", DataType::Utf8, false),
    ]));
    let cases: Vec<(TableSpec, &str)> = vec![
        (
            bar_spec(&[]),
            "the number of buckets is not given, and Paimon's default of dynamic buckets is not supported; add 'bucket' = '1'",
        ),
        (bar_spec(&[("bucket", "-1")]), "'bucket' = '-1' is not supported, only a fixed number; set 'bucket' = '1'"),
        (bar_spec(&[("bucket", "-2")]), "'bucket' = '-2' is not supported"),
        (
            with(("merge-engine", "partial-update")),
            "'merge-engine' = 'partial-update' is not supported: only deduplicate",
        ),
        (with(("merge-engine", "aggregation")), "only deduplicate"),
        (with(("changelog-producer", "lookup")), "use none or input"),
        (with(("changelog-producer", "full-compaction")), "use none or input"),
        (with(("deletion-vectors.enabled", "true")), "nothing compacts here; remove it"),
        (with(("sequence.field", "close")), "'sequence.field' = 'close' is not supported"),
        (with(("ignore-delete", "true")), "deletions are never ignored here"),
        (
            TableSpec { primary_keys: keys(&["market", "window_start"]), ..with(("merge-engine", "deduplicate")) },
            "partition key \"dt\" is not part of the primary key",
        ),
        (
            TableSpec { primary_keys: keys(&["dt"]), ..bar_spec(&[("bucket", "1")]) },
            "should not be same with partition fields",
        ),
        (TableSpec { primary_keys: keys(&["nothing"]), ..bar_spec(&[]) }, "primary key \"nothing\" is not a column"),
        (
            TableSpec { schema: double, primary_keys: keys(&["price", "dt"]), ..bar_spec(&[("bucket", "1")]) },
            "column \"price\" cannot be part of a primary key",
        ),
    ];
    for (spec, expected) in cases {
        let error = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}\ninstead of: {expected}");
        assert_eq!((error.fault(), error.retry()), (Fault::User, false));
    }
    assert_eq!(lake.list_databases().await.unwrap(), Vec::<String>::new(), "nothing was created");
}

#[tokio::test]
async fn the_key_is_compared_with_the_one_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    {
        let lake = open(dir.path());
        let mut nullable = bar_spec(&[("bucket", "1")]);
        let fields =
            bar_schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        nullable.schema = Arc::new(Schema::new(fields));
        let table = lake.ensure_table(&nullable, LiveTableOptions::default()).await.unwrap();
        let nullability: Vec<bool> = table.schema().fields().iter().map(|field| field.is_nullable()).collect();
        assert_eq!(nullability, [true, false, false, true, false], "the key is NOT NULL, as in Flink");
        lake.ensure_table(&nullable, LiveTableOptions::default()).await.unwrap();
    }
    let lake = open(dir.path());
    let append = TableSpec { primary_keys: vec![], ..bar_spec(&[]) };
    let error = lake.ensure_table(&append, LiveTableOptions::default()).await.unwrap_err();
    assert!(matches!(&error, LakeError::KeysDiffer { what: "primary keys", .. }), "{error}");
    let table = lake.open_table("upbit", "candle_1m").await.unwrap();
    table.apply(changes(&[upsert(0, 0, 1), delete(0, 0)])).unwrap();
    check_scan(&table.view(), &Model::new(), None, &[], None).await;
}
