//! How fast the flow is, inside one process: a topic in memory, filled beforehand, through a pipeline into a lake on disk.
//!
//! `flow_bench bars|ticker [RECORDS] [WORKERS]`: trades into one-minute bars (primary key), or tickers of 33 fields into an
//! append table. Prints rows a second, CPU a row, the commits' time apart.

use bytes::Bytes;
use hoga_engine::{Engine, EngineOptions, FlowOptions};
use hoga_lake::{Lake, LakeOptions};
use hoga_log::{Log, MemoryLog, Record, TopicSpec};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::SystemClock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: u32 = 3;
const MARKETS: u64 = 200;
const START_MS: u64 = 1_785_395_040_000;
const DEFAULT_RECORDS: u64 = 2_000_000;
const RECORDS_PER_APPEND: u64 = 500;

const TRADE: &str = "
CREATE TEMPORARY TABLE trade_topic (
  `code` STRING, `trade_price` DECIMAL(20, 8), `trade_volume` DECIMAL(24, 8), `ask_bid` STRING, `trade_timestamp` BIGINT, `sequential_id` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`trade_timestamp`, 3), WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'in', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w');
CREATE DATABASE lake.upbit;
CREATE TABLE lake.upbit.bar (`market` STRING, `window_start` TIMESTAMP(3), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `volume` DECIMAL(38, 8),
  `trade_count` BIGINT, PRIMARY KEY (`market`, `window_start`) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO lake.upbit.bar SELECT `code`, window_start, MAX(`trade_price`), MIN(`trade_price`), SUM(`trade_volume`), COUNT(*)
FROM TABLE(TUMBLE(TABLE trade_topic, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `code`, window_start, window_end;
";

fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "bars".into());
    let records = arguments.next().map_or(Ok(DEFAULT_RECORDS), |text| text.parse())?;
    let parallelism = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move { tokio::spawn(run(kind, records, parallelism)).await })??;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
async fn run(kind: String, records: u64, parallelism: usize) -> Result<(), BoxError> {
    let (text, record): (String, fn(u64) -> String) = match kind.as_str() {
        "ticker" => (ticker_pipeline(), ticker),
        _ => (TRADE.to_owned(), trade),
    };
    let log = Arc::new(MemoryLog::default());
    for (topic, partitions) in [("in", PARTITIONS), (DEAD_LETTER_TOPIC, 1)] {
        log.create_topic(&TopicSpec::new(topic, partitions))?;
    }
    let mut bytes = 0;
    let mut number = 0;
    while number < records {
        let partition = (number / RECORDS_PER_APPEND % u64::from(PARTITIONS)) as u32;
        let batch: Vec<Record> = (number..(number + RECORDS_PER_APPEND).min(records))
            .map(|number| Record { value: Bytes::from(record(number)), timestamp_ms: 0, ..Record::default() })
            .collect();
        bytes += batch.iter().map(|record| record.value.len()).sum::<usize>();
        number += batch.len() as u64;
        log.append("in", partition, &batch)?;
    }
    let folder = tempfile::tempdir()?;
    let lake = Lake::open(LakeOptions { warehouse: folder.path().join("warehouse"), commit_user: "bench".into() })?;
    let pipeline = hoga_sql::parse_pipeline("bench.sql", &text, &|_| None).map_err(|mistakes| mistakes.to_string())?;
    let plan = hoga_engine::plan::plan_pipeline(&pipeline).map_err(|mistakes| mistakes.to_string())?;
    let options = EngineOptions {
        checkpoint_folder: folder.path().join("checkpoints"),
        checkpoint_interval: Duration::from_secs(10),
        live_tail_bytes_max: 256 << 20,
        resets_changed_queries: false,
        flow: FlowOptions { parallelism, ..FlowOptions::default() },
    };
    let (engine, _) = Engine::open(plan.graph, log, &lake, Arc::new(SystemClock), options).await?;
    let engine = Arc::new(engine);
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let running = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.run(CancellationToken::new()).await }
    });
    while engine.flow.sources.iter().any(|source| !source.is_finished()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (computed, computed_cpu) = (started.elapsed(), cpu_seconds() - cpu);
    running.await??;
    let (committed, committed_cpu) = (started.elapsed(), cpu_seconds() - cpu);
    let rate = |elapsed: Duration| records as f64 / elapsed.as_secs_f64();
    let out: u64 = engine.flow.sinks.iter().map(|sink| sink.rows()).sum();
    println!("{kind}: {records} records of {} bytes, {parallelism} workers, {out} rows out", bytes / records as usize);
    println!(
        "  computed   {:>10.0} rows/s  {:.2} us of CPU a row",
        rate(computed),
        computed_cpu * 1e6 / records as f64
    );
    println!(
        "  committed  {:>10.0} rows/s  {:.2} us of CPU a row",
        rate(committed),
        committed_cpu * 1e6 / records as f64
    );
    Ok(())
}

/// As Upbit sends it, but for the names that say nothing here.
fn trade(number: u64) -> String {
    let market = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let price = 10_000 + number * 7 % 5_000;
    let time = START_MS + number / 20;
    format!(
        "{{\"type\":\"trade\",\"code\":\"KRW-M{}\",\"timestamp\":{},\"trade_date\":\"2026-07-30\",\"trade_time\":\"07:04:03\",\"trade_timestamp\":{time},\
         \"trade_price\":{price}.5,\"trade_volume\":0.{:08},\"ask_bid\":\"{}\",\"prev_closing_price\":12000.0,\"change\":\"RISE\",\"change_price\":12.5,\
         \"sequential_id\":{},\"best_ask_price\":{price}.6,\"best_ask_size\":1.25,\"best_bid_price\":{price}.4,\"best_bid_size\":0.5,\"stream_type\":\"REALTIME\"}}",
        market % MARKETS,
        time + 30,
        number % 100_000_000,
        if number.is_multiple_of(3) { "ASK" } else { "BID" },
        17_853_950_438_310_000 + number
    )
}

const TICKER_NUMBERS: [&str; 17] = [
    "opening_price",
    "high_price",
    "low_price",
    "trade_price",
    "prev_closing_price",
    "change_price",
    "signed_change_price",
    "trade_volume",
    "acc_trade_volume",
    "acc_trade_volume_24h",
    "acc_trade_price",
    "acc_trade_price_24h",
    "acc_ask_volume",
    "acc_bid_volume",
    "highest_52_week_price",
    "lowest_52_week_price",
    "level",
];
const TICKER_TEXTS: [&str; 12] = [
    "type",
    "code",
    "change",
    "trade_date",
    "trade_time",
    "ask_bid",
    "highest_52_week_date",
    "lowest_52_week_date",
    "market_state",
    "delisting_date",
    "market_warning",
    "stream_type",
];

fn ticker(number: u64) -> String {
    let mut text = String::with_capacity(900);
    text.push('{');
    for (index, name) in TICKER_TEXTS.iter().enumerate() {
        let value = if *name == "code" { format!("KRW-M{}", number % MARKETS) } else { format!("2026-07-{index:02}") };
        text.push_str(&format!("\"{name}\":\"{value}\","));
    }
    for (index, name) in TICKER_NUMBERS.iter().enumerate() {
        text.push_str(&format!("\"{name}\":{}.{:04},", 100_000 + number % 9_999 * (index as u64 + 1), number % 10_000));
    }
    let time = START_MS + number / 20;
    text.push_str(&format!(
        "\"change_rate\":0.0123456789,\"signed_change_rate\":-0.0123456789,\"is_trading_suspended\":false,\"trade_timestamp\":{time},\"timestamp\":{time}}}"
    ));
    text
}

fn ticker_pipeline() -> String {
    let mut columns: Vec<String> = TICKER_TEXTS.iter().map(|name| format!("`{name}` STRING")).collect();
    columns.extend(TICKER_NUMBERS.iter().map(|name| format!("`{name}` DECIMAL(24, 8)")));
    columns.extend(["change_rate", "signed_change_rate"].iter().map(|name| format!("`{name}` DOUBLE")));
    columns.push("`is_trading_suspended` BOOLEAN".into());
    columns.extend(["trade_timestamp", "timestamp"].iter().map(|name| format!("`{name}` BIGINT")));
    let columns = columns.join(", ");
    format!(
        "CREATE TEMPORARY TABLE source ({columns}, `ts` AS TO_TIMESTAMP_LTZ(`timestamp`, 3), WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND)
         WITH ('connector' = 'kafka', 'topic' = 'in', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
         CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w');
         CREATE DATABASE lake.upbit;
         CREATE TABLE lake.upbit.ticker ({columns}, `at` TIMESTAMP_LTZ(3), `dt` STRING) PARTITIONED BY (`dt`) WITH ('bucket' = '-1');
         INSERT INTO lake.upbit.ticker SELECT *, DATE_FORMAT(`ts`, 'yyyy-MM-dd') FROM source WHERE `code` IS NOT NULL;"
    )
}

/// User and system time of this process; 0 where /proc does not tell.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default();
    let ticks = |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
