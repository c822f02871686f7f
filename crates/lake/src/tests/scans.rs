//! Reading: projections, counting, pruning, pinned snapshots.

use super::support::*;
use crate::{Filter, FilterOperator, LiveTable, Narrowed, Narrowing, ScanRequest};
use arrow::array::{ArrayRef, AsArray, Decimal128Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use std::sync::Arc;

fn filter(column: usize, operator: FilterOperator, values: ArrayRef) -> Filter {
    Filter { column, operator, values: Some(values) }
}

/// 300 rows in three commits, 60 more in the tail.
async fn filled(table: &LiveTable) {
    for n in 0..3 {
        table.append(batch(&rows(n * 100..n * 100 + 100))).unwrap();
        checkpoint(table, n + 1).await;
    }
    table.append(batch(&rows(300..360))).unwrap();
}

#[tokio::test]
async fn files_that_a_range_of_time_holds_whole_are_read_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    // of three days' files those of the second day are older, in part, and younger than this
    let since_ms = DAY_MS + 150;
    for (operator, since_ms, expected) in [
        (FilterOperator::GreaterOrEqual, since_ms, (2, 3)),
        (FilterOperator::Less, since_ms, (2, 3)),
        (FilterOperator::GreaterOrEqual, 0, (0, 9)),
        (FilterOperator::Greater, 0, (3, 6)),
        (FilterOperator::Equal, since_ms, (1, 0)),
    ] {
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![since_ms]).with_timezone("UTC"));
        let request = ScanRequest { filter: vec![filter(3, operator, time)], ..Default::default() };
        let plan = table.view().scan(request.clone()).await.unwrap();
        assert_eq!(plan.files_by_conditions(), expected, "{operator:?} {since_ms}");
        let wanted = |row: &Row| match operator {
            FilterOperator::GreaterOrEqual => row.3 >= since_ms,
            FilterOperator::Greater => row.3 > since_ms,
            FilterOperator::Less => row.3 < since_ms,
            _ => row.3 == since_ms,
        };
        let found: Vec<Row> = trades(&read(&table.view(), request).await).into_iter().filter(wanted).collect();
        assert_eq!(found, in_order(rows(0..360).into_iter().filter(wanted).collect()), "{operator:?} {since_ms}");
    }
}

fn day(row: &Row) -> i64 {
    row.3.div_euclid(DAY_MS)
}

#[tokio::test]
async fn of_the_tail_only_rows_that_may_pass_are_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..60))).unwrap();
    let since: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![30]).with_timezone("UTC"));
    let days: ArrayRef = Arc::new(StringArray::from(vec!["1970-01-01", "1970-01-03"]));
    for (filters, passes) in [
        (vec![filter(3, FilterOperator::Greater, since.clone())], (|row| row.3 > 30) as fn(&Row) -> bool),
        (vec![filter(4, FilterOperator::In, days.clone())], |row| day(row) != 1),
        (vec![filter(3, FilterOperator::Less, since), filter(4, FilterOperator::In, days)], |row| {
            row.3 < 30 && day(row) != 1
        }),
        (vec![filter(4, FilterOperator::Equal, Arc::new(StringArray::from(vec!["1971-01-01"])))], |_| false),
    ] {
        let wanted = in_order(rows(0..60).into_iter().filter(passes).collect());
        for projection in [None, Some((0..5).collect())] {
            let request = ScanRequest { filter: filters.clone(), projection, ..Default::default() };
            assert_eq!(trades(&read(&table.view(), request).await), wanted, "{filters:?}");
        }
    }
}

#[tokio::test]
async fn files_that_cannot_have_wanted_rows_any_more_are_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    let plan = table.view().scan(ScanRequest { target_partitions: 2, ..Default::default() }).await.unwrap();
    let ids = |since: Option<i64>| {
        let is = |operator, values| Narrowing::Filter(Filter { column: 1, operator, values });
        let narrowed = Narrowed::by(move || match since {
            None => Narrowing::Unknown,
            Some(since) => Narrowing::Any(vec![
                is(FilterOperator::IsNull, None),
                is(FilterOperator::Greater, Some(Arc::new(Int64Array::from(vec![since])))),
            ]),
        });
        let streams = (0..plan.partitions()).map(|partition| plan.open_narrowed(partition, &narrowed));
        let batches = futures::stream::iter(streams.collect::<Vec<_>>()).flatten().try_collect::<Vec<_>>();
        async move { trades(&batches.await.unwrap()).len() }
    };
    assert_eq!(ids(None).await, 360);
    // of three commits of a hundred rows the last, and what is not committed
    assert_eq!(ids(Some(250)).await, 100 + 60);
    assert_eq!(ids(Some(400)).await, 60, "the tail's rows are asked by the caller");
}

#[tokio::test]
async fn projection_in_any_order_and_none_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    let view = table.view();
    assert_eq!((view.row_count_committed(), view.row_count_tail(), view.snapshot_id()), (Some(300), 60, Some(3)));

    let request = ScanRequest { projection: Some(vec![4, 1]), target_partitions: 4, ..Default::default() };
    let mut ids: Vec<i64> = Vec::new();
    for batch in read(&view, request).await {
        assert_eq!(batch.schema().field(0).name(), "dt");
        ids.extend(batch.column(1).as_primitive::<Int64Type>().values());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..360).collect::<Vec<_>>());

    let count = ScanRequest { projection: Some(vec![]), ..Default::default() };
    assert_eq!(read(&view, count.clone()).await.iter().map(|batch| batch.num_rows()).sum::<usize>(), 360);
    let one_day = Arc::new(StringArray::from(vec!["1970-01-02"]));
    let filtered = ScanRequest { filter: vec![filter(4, FilterOperator::Equal, one_day)], ..count };
    let counted: usize = read(&view, filtered).await.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(counted, 100 + 20, "one day of three, in the files and in the tail");
}

#[tokio::test]
async fn a_filter_on_the_day_opens_only_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    let files = async |filter: Vec<Filter>| {
        let plan = table.view().scan(ScanRequest { filter, ..Default::default() }).await.unwrap();
        plan.file_count()
    };
    let days = |days: &[&str]| Arc::new(StringArray::from(days.to_vec())) as ArrayRef;
    assert_eq!(files(vec![]).await, 9);
    assert_eq!(files(vec![filter(4, FilterOperator::Equal, days(&["1970-01-02"]))]).await, 3);
    assert_eq!(files(vec![filter(4, FilterOperator::In, days(&["1970-01-01", "1970-01-03", "x"]))]).await, 6);
    assert_eq!(files(vec![filter(4, FilterOperator::Greater, days(&["1970-01-03"]))]).await, 0);
    let late = Arc::new(Int64Array::from(vec![250]));
    assert_eq!(files(vec![filter(1, FilterOperator::GreaterOrEqual, late)]).await, 3, "by the files' statistics");
}

#[tokio::test]
async fn a_view_stays_at_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let empty = table.view();
    table.append(batch(&rows(0..100))).unwrap();
    checkpoint(&table, 1).await;
    let first = table.view();
    let plan = first.scan(ScanRequest::default()).await.unwrap();
    table.append(batch(&rows(100..200))).unwrap();
    checkpoint(&table, 2).await;
    assert_eq!(all(&empty).await, vec![]);
    assert_eq!(empty.scan(ScanRequest::default()).await.unwrap().partitions(), 0);
    assert_eq!(all(&first).await, in_order(rows(0..100)));
    assert_eq!(plan.rows_upper_bound(), 100);
    assert_eq!(all(&table.view()).await, in_order(rows(0..200)));
}

#[tokio::test]
async fn a_limit_reads_less_and_enough() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    let plan = table.view().scan(ScanRequest { limit: Some(10), ..Default::default() }).await.unwrap();
    assert!(plan.file_count() < 9);
    let rows: usize = read(&table.view(), ScanRequest { limit: Some(10), ..Default::default() })
        .await
        .iter()
        .map(|batch| batch.num_rows())
        .sum();
    assert!((10..360).contains(&rows), "{rows}");
}

#[tokio::test]
async fn partitions_are_at_most_as_many_as_asked_for_and_one() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    filled(&table).await;
    for wanted in [0, 1, 2, 3, 64] {
        let request = ScanRequest { target_partitions: wanted, ..Default::default() };
        let plan = table.view().scan(request.clone()).await.unwrap();
        assert!(plan.partitions() <= wanted.max(1) + 1, "{} of {wanted}", plan.partitions());
        assert_eq!(trades(&read(&table.view(), request).await), in_order(rows(0..360)));
    }
}

/// The literal of a column that row `n` would have, or something between rows.
fn literal(column: usize, n: i64) -> ArrayRef {
    let (market, id, price, time) = row(n);
    match column {
        0 => Arc::new(StringArray::from(vec![market])),
        1 => Arc::new(Int64Array::from(vec![id])),
        2 => Arc::new(Decimal128Array::from(vec![price * 100]).with_precision_and_scale(30, 10).unwrap()),
        3 => Arc::new(TimestampMillisecondArray::from(vec![time]).with_timezone("UTC")),
        _ => Arc::new(StringArray::from(vec![hoga_model::time::utc_date(time)])),
    }
}

fn passes(row: &Row, column: usize, operator: FilterOperator, n: i64) -> bool {
    let wanted = super::support::row(n);
    let order = match column {
        0 => row.0.cmp(&wanted.0),
        1 => row.1.cmp(&wanted.1),
        2 => row.2.cmp(&wanted.2),
        3 => row.3.cmp(&wanted.3),
        _ => row.3.div_euclid(DAY_MS).cmp(&wanted.3.div_euclid(DAY_MS)), // a day before 1970 is one too
    };
    match operator {
        FilterOperator::Equal | FilterOperator::In => order.is_eq(),
        FilterOperator::Less => order.is_lt(),
        FilterOperator::LessOrEqual => order.is_le(),
        FilterOperator::Greater => order.is_gt(),
        FilterOperator::GreaterOrEqual => order.is_ge(),
        FilterOperator::IsNull => false,
        FilterOperator::IsNotNull => true,
    }
}

/// Pruning never loses a row that the filter keeps.
#[test]
fn filters_keep_every_row_that_passes() {
    const OPERATORS: [FilterOperator; 8] = [
        FilterOperator::Equal,
        FilterOperator::Less,
        FilterOperator::LessOrEqual,
        FilterOperator::Greater,
        FilterOperator::GreaterOrEqual,
        FilterOperator::In,
        FilterOperator::IsNull,
        FilterOperator::IsNotNull,
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let view = runtime.block_on(async {
        let table = trade_table(&lake).await;
        filled(&table).await;
        table.view()
    });
    let conditions = prop::collection::vec((0usize..5, 0usize..8, -10i64..400), 1..4);
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    proptest!(config, |(conditions in conditions)| {
        let filters: Vec<Filter> = conditions
            .iter()
            .map(|(column, operator, n)| filter(*column, OPERATORS[*operator], literal(*column, *n)))
            .collect();
        let keep = |row: &Row| conditions.iter().all(|(column, operator, n)| passes(row, *column, OPERATORS[*operator], *n));
        let request = ScanRequest { filter: filters, target_partitions: 2, ..Default::default() };
        let found = runtime.block_on(async { trades(&read(&view, request).await) });
        let expected: Vec<Row> = in_order(rows(0..360)).into_iter().filter(|row| keep(row)).collect();
        let kept: Vec<Row> = found.into_iter().filter(|row| keep(row)).collect();
        prop_assert_eq!(kept, expected);
    });
}
