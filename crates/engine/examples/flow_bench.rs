//! How fast the flow is, inside one process: a topic on disk, filled beforehand, through the part of `pipeline/upbit.sql` that
//! reads it, into a lake on disk.
//!
//! `flow_bench bars|ticker [RECORDS] [WORKERS]`: trades into one-minute bars (primary key), or tickers of 33 fields into an
//! append table. Prints rows a second, CPU a row, the last commit's time apart.

use bytes::Bytes;
use hoga_engine::{Engine, EngineOptions, FlowOptions};
use hoga_lake::{Lake, LakeOptions};
use hoga_log::{DiskLog, DiskOptions, Log, Record, Retention, TopicSpec};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::SystemClock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: u32 = 3;
const MARKETS: u64 = 200;
const START_MS: u64 = 1_785_395_040_000;
const EVENTS_PER_MS: u64 = 20;
const DEFAULT_RECORDS: u64 = 2_000_000;
const RECORDS_PER_APPEND: u64 = 1_000;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Bars,
    Ticker,
}

const PIPELINE: &str = include_str!("../../../pipeline/upbit.sql");
/// What the statements of each part begin with.
const TICKER: [&str; 3] = [
    "CREATE TEMPORARY TABLE ticker_topic",
    "CREATE TABLE IF NOT EXISTS lake.upbit.ticker",
    "INSERT INTO lake.upbit.ticker",
];
const BARS: [&str; 5] = [
    "CREATE TEMPORARY TABLE trade_topic",
    "CREATE TABLE IF NOT EXISTS lake.upbit.candle_1m",
    "CREATE TEMPORARY VIEW placed_trades",
    "CREATE TEMPORARY VIEW bars_1m",
    "INSERT INTO lake.upbit.candle_1m",
];
const ALL: [&str; 4] = ["SET ", "CREATE CATALOG", "DROP CATALOG", "CREATE DATABASE"];

/// The statements of the pipeline that begin with one of these; of an INSERT the first query, without the bars that were corrected.
fn part(wanted: &[&str]) -> String {
    let bare = |statement: &str| -> String {
        let lines = statement.lines().filter(|line| !line.starts_with("--"));
        lines.collect::<Vec<_>>().join("\n").replace("EXECUTE STATEMENT SET BEGIN", "").trim().to_owned()
    };
    let statements = PIPELINE.split(";\n").map(bare);
    let kept = statements.filter(|text| wanted.iter().chain(&ALL).any(|start| text.starts_with(start)));
    kept.map(|text| {
        let first = text.split("\nUNION ALL\n").next().unwrap_or_default();
        first.replace("'format' = 'json'", "'scan.bounded.mode' = 'latest-offset', 'format' = 'json'") + ";\n"
    })
    .collect()
}

fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("bars") => Kind::Bars,
        Some("ticker") => Kind::Ticker,
        _ => return Err("flow_bench bars|ticker [RECORDS] [WORKERS]".into()),
    };
    let records = arguments.next().map_or(Ok(DEFAULT_RECORDS), |text| text.parse())?;
    let parallelism = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move { tokio::spawn(run(kind, records, parallelism)).await })??;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
async fn run(kind: Kind, records: u64, parallelism: usize) -> Result<(), BoxError> {
    let (text, topic) = match kind {
        Kind::Ticker => (part(&TICKER), "upbit-ticker"),
        Kind::Bars => (part(&BARS), "upbit-trade"),
    };
    let folder = tempfile::tempdir()?;
    let (log, _) = DiskLog::open(DiskOptions::new(folder.path().join("log")))?;
    let log = Arc::new(log);
    for (topic, partitions) in [(topic, PARTITIONS), (DEAD_LETTER_TOPIC, 1)] {
        let retention = Retention { max_age_ms: None, max_bytes: None };
        log.create_topic(&TopicSpec { retention, ..TopicSpec::new(topic, partitions) })?;
    }
    let bytes = {
        let log = Arc::clone(&log);
        // a thread of its own, so that a profiler can tell it apart
        let filling =
            std::thread::Builder::new().name("fill".into()).spawn(move || fill(&*log, topic, kind, records))?;
        filling.join().map_err(|_| "filling the log panicked")??
    };
    log.sync()?;
    let lake = Lake::open(LakeOptions { warehouse: folder.path().join("warehouse"), commit_user: "bench".into() })?;
    let pipeline = hoga_sql::parse_pipeline("bench.sql", &text, &|name| (name == "WAREHOUSE").then(|| "w".into()))
        .map_err(|mistakes| mistakes.to_string())?;
    let plan = hoga_engine::plan::plan_pipeline(&pipeline).map_err(|mistakes| mistakes.to_string())?;
    let options = EngineOptions {
        checkpoint_folder: folder.path().join("checkpoints"),
        checkpoint_interval: Duration::from_secs(10),
        live_tail_bytes_max: 48 << 20,
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
    println!(
        "{kind:?}: {records} records of {} bytes, {parallelism} workers, {out} rows out",
        bytes / records as usize
    );
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

/// Each market into its partition, as the collector does it. Returns the records' bytes.
fn fill(log: &dyn Log, topic: &str, kind: Kind, records: u64) -> Result<usize, BoxError> {
    let mut exchange = Exchange::new();
    let mut waiting: Vec<Vec<Record>> = vec![Vec::new(); PARTITIONS as usize];
    let mut bytes = 0;
    for number in 0..records {
        let (text, market) = exchange.next(kind);
        bytes += text.len();
        let record = Record { value: Bytes::from(text), timestamp_ms: START_MS as i64, ..Record::default() };
        waiting[(market % u64::from(PARTITIONS)) as usize].push(record);
        if (number + 1).is_multiple_of(RECORDS_PER_APPEND) || number + 1 == records {
            for (partition, batch) in waiting.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
                log.append(topic, partition as u32, &std::mem::take(batch))?;
            }
        }
    }
    Ok(bytes)
}

/// What Upbit sends of [`MARKETS`] markets, busy ones more often; prices walk at random, the same for every run.
struct Exchange {
    dice: u64,
    markets: Vec<Market>,
    number: u64,
}

struct Market {
    opening: f64,
    previous: f64,
    price: f64,
    high: f64,
    low: f64,
    volume: f64,
    turnover: f64,
    asked: f64,
}

impl Exchange {
    fn new() -> Exchange {
        let market = |index: u64| {
            let price = round(140_000_000.0 / (index as f64 + 1.0).powf(2.2), 2);
            let previous = round(price * 1.013, 2);
            let (high, low) = (price, price);
            Market { opening: price, previous, price, high, low, volume: 0.0, turnover: 0.0, asked: 0.0 }
        };
        Exchange { dice: 0x9e37_79b9_7f4a_7c15, markets: (0..MARKETS).map(market).collect(), number: 0 }
    }

    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next record and the number of its market.
    fn next(&mut self, kind: Kind) -> (String, u64) {
        let number = self.number;
        self.number += 1;
        let index = ((MARKETS as f64).powf(self.roll()) - 1.0) as usize;
        let (step, volume) = (self.roll(), self.roll());
        let market = &mut self.markets[index];
        market.price = round(market.price * (1.0 + (step - 0.5) * 0.001), 2).max(0.01);
        let price = market.price;
        let volume = round(volume * 100_000.0 / price, 8);
        market.high = market.high.max(price);
        market.low = market.low.min(price);
        market.volume += volume;
        market.turnover += volume * price;
        let side = if step > 0.49 { "BID" } else { "ASK" };
        if side == "ASK" {
            market.asked += volume;
        }
        let change = round(price - market.previous, 2);
        let direction = if change > 0.0 { "RISE" } else { "FALL" };
        let at = START_MS + number / EVENTS_PER_MS;
        let code = format!("KRW-M{index:03}");
        let previous = market.previous;
        let text = match kind {
            Kind::Bars => format!(
                "{{\"type\":\"trade\",\"code\":\"{code}\",\"timestamp\":{},\"trade_date\":\"2026-07-30\",\"trade_time\":\"07:04:03\",\"trade_timestamp\":{at},\
                 \"trade_price\":{price:?},\"trade_volume\":{volume:?},\"ask_bid\":\"{side}\",\"prev_closing_price\":{previous:?},\"change\":\"{direction}\",\
                 \"change_price\":{:?},\"sequential_id\":{},\"best_ask_price\":{:?},\"best_ask_size\":{:?},\"best_bid_price\":{:?},\"best_bid_size\":{:?},\
                 \"stream_type\":\"REALTIME\"}}",
                at + 35,
                change.abs(),
                at * 10_000 + number % 10_000,
                round(price * 1.0005, 2),
                round(volume * 3.0, 8),
                round(price * 0.9995, 2),
                round(volume * 2.0, 8),
            ),
            Kind::Ticker => format!(
                "{{\"type\":\"ticker\",\"code\":\"{code}\",\"opening_price\":{:?},\"high_price\":{:?},\"low_price\":{:?},\"trade_price\":{price:?},\
                 \"prev_closing_price\":{previous:?},\"acc_trade_price\":{:.5},\"change\":\"{direction}\",\"change_price\":{:?},\"signed_change_price\":{change:?},\
                 \"change_rate\":{:.10},\"signed_change_rate\":{:.10},\"ask_bid\":\"{side}\",\"trade_volume\":{volume:?},\"acc_trade_volume\":{:.8},\
                 \"trade_date\":\"20260730\",\"trade_time\":\"070403\",\"trade_timestamp\":{at},\"acc_ask_volume\":{:.8},\"acc_bid_volume\":{:.8},\
                 \"highest_52_week_price\":{:?},\"highest_52_week_date\":\"2025-08-14\",\"lowest_52_week_price\":{:?},\"lowest_52_week_date\":\"2025-04-07\",\
                 \"market_state\":\"ACTIVE\",\"is_trading_suspended\":false,\"delisting_date\":null,\"market_warning\":\"NONE\",\"timestamp\":{},\
                 \"acc_trade_price_24h\":{:.8},\"acc_trade_volume_24h\":{:.8},\"stream_type\":\"REALTIME\"}}",
                market.opening,
                market.high,
                market.low,
                market.turnover,
                change.abs(),
                change.abs() / previous,
                change / previous,
                market.volume,
                market.asked,
                market.volume - market.asked,
                round(market.opening * 1.4, 2),
                round(market.opening * 0.5, 2),
                at + 35,
                market.turnover * 1.7,
                market.volume * 1.7,
            ),
        };
        (text, index as u64)
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let shift = 10_f64.powi(digits);
    (value * shift).round() / shift
}

/// User and system time of this process; 0 where /proc does not tell.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default();
    let ticks = |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
