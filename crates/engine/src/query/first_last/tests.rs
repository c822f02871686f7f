//! The same answers as DataFusion's own functions give, whatever the order, the NULLs and the split into partitions.

use super::register;
use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use std::sync::Arc;

/// A market, a time, an id.
type Row = (u8, Option<i8>, Option<i8>);

/// Rows of the same place have the same values: which of them is taken is not said.
fn batch(rows: &[Row]) -> RecordBatch {
    let number = |row: &Row| row.1.map(i64::from).unwrap_or(40) * 31 + row.2.map(i64::from).unwrap_or(50);
    let value = |row: &Row| (number(row) % 5 != 0).then(|| number(row));
    let zone = Some(Arc::<str>::from("UTC"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("market", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| format!("M{}", row.0))))),
        (
            "seen",
            Arc::new(
                rows.iter()
                    .map(|row| row.1.map(i64::from))
                    .collect::<TimestampMillisecondArray>()
                    .with_timezone_opt(zone),
            ),
        ),
        ("id", Arc::new(rows.iter().map(|row| row.2.map(i64::from)).collect::<Int64Array>())),
        ("price", Arc::new(rows.iter().map(|row| value(row).map(i128::from)).collect::<Decimal128Array>())),
        ("rate", Arc::new(rows.iter().map(|row| value(row).map(|value| value as f64)).collect::<Float64Array>())),
        ("text", Arc::new(rows.iter().map(|row| value(row).map(|value| value.to_string())).collect::<StringArray>())),
    ];
    let nullable = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(nullable).expect("columns of one length")
}

async fn answers(parts: &[Vec<Row>], sql: &str, with_ours: bool) -> Vec<String> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3).with_batch_size(4));
    if with_ours {
        register(&mut *session.state_ref().write()).expect("known names");
    }
    let batches: Vec<Vec<RecordBatch>> = parts.iter().map(|rows| vec![batch(rows)]).collect();
    let table = MemTable::try_new(batch(&[]).schema(), batches).expect("one schema");
    session.register_table("t", Arc::new(table)).expect("a new name");
    let mut rows = Vec::new();
    for batch in session.sql(sql).await.expect(sql).collect().await.expect(sql) {
        rows.extend((0..batch.num_rows()).map(|row| {
            let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).expect("a value"));
            cells.collect::<Vec<String>>().join(" ")
        }));
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn answers_as_datafusion(
        parts in prop::collection::vec(prop::collection::vec((0_u8..4, prop::option::of(-3_i8..3), prop::option::of(-2_i8..2)), 0..30), 1..4),
        column in prop::sample::select(vec!["price", "rate", "id", "seen", "text"]),
        by in prop::sample::select(vec!["seen, id", "seen DESC, id", "id NULLS FIRST, seen DESC NULLS LAST", "seen DESC NULLS FIRST, id DESC", "id, market, seen"]),
        extra in prop::sample::select(vec!["", "FILTER (WHERE id > 0)"]),
        nulls in prop::sample::select(vec!["", "IGNORE NULLS"]),
    ) {
        let of = |function: &str| format!("{function}({column} ORDER BY {by}) {extra} {nulls}");
        let sql = format!("SELECT market, {}, {}, count(*) FROM t GROUP BY market ORDER BY market", of("first_value"), of("last_value"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (ours, theirs) = runtime.block_on(async { (answers(&parts, &sql, true).await, answers(&parts, &sql, false).await) });
        prop_assert_eq!(ours, theirs, "{}", sql);
    }
}

#[tokio::test]
async fn one_column_gives_the_order() {
    let parts =
        [vec![(1, Some(2), None), (1, Some(-1), None), (2, None, None)], vec![(1, Some(5), None), (2, Some(0), None)]];
    let sql = "SELECT market, first_value(seen ORDER BY seen), last_value(seen ORDER BY seen) FROM t GROUP BY market ORDER BY market";
    let ours = answers(&parts, sql, true).await;
    assert_eq!(ours, answers(&parts, sql, false).await);
    assert_eq!(ours, ["M1 1969-12-31T23:59:59.999Z 1970-01-01T00:00:00.005Z", "M2 1970-01-01T00:00:00Z "]);
}
