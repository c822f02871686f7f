//! The page on random prices, without the rest of hoga: `cargo run --release -p hoga-serve --example page_demo`.
//!
//! `page_demo [ADDRESS] [sim|replay|unreachable]`; for looking at the page while working on it.

#![allow(clippy::print_stdout, reason = "it prints where it listens")]

#[path = "../tests/serve/batches.rs"]
mod batches;
#[path = "../tests/serve/lake.rs"]
mod lake;
#[path = "../tests/serve/topic_log.rs"]
mod topic_log;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hoga_model::time::{Clock, SystemClock};
use hoga_model::{Market, MarketInfo};
use hoga_serve::board::{ListedMarket, SharedBoard};
use hoga_serve::health::{
    CheckpointHealth, ExchangeState, Health, JobHealth, LatencyHealth, PartitionHealth, ProcessHealth, SourceHealth,
    StreamHealth, TableHealth, TopicHealth,
};
use hoga_serve::http::backfill::NoBackfills;
use hoga_serve::http::topics::{Group, GroupKind, GroupOffset, Member, TopicPartition};
use hoga_serve::http::{Feed, HttpConfig, HttpState, serve};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use batches::{BookRow, TickerRow, TradeRow, books, tickers, trades};

const BEAT: Duration = Duration::from_millis(100);
/// Code, Korean name, English name, price, tick, turnover of a day.
type CoinSpec = (&'static str, &'static str, &'static str, f64, f64, f64);
const COINS: [CoinSpec; 24] = [
    ("BTC", "비트코인", "Bitcoin", 138_420_000.0, 1_000.0, 412e9),
    ("ETH", "이더리움", "Ethereum", 4_512_000.0, 1_000.0, 287e9),
    ("XRP", "엑스알피(리플)", "XRP", 3_281.0, 1.0, 534e9),
    ("SOL", "솔라나", "Solana", 201_350.0, 100.0, 121e9),
    ("DOGE", "도지코인", "Dogecoin", 241.0, 1.0, 88e9),
    ("USDT", "테더", "Tether", 1_478.0, 1.0, 203e9),
    ("ADA", "에이다", "Ada", 702.0, 1.0, 27e9),
    ("SUI", "수이", "Sui", 2_544.0, 1.0, 41e9),
    ("AVAX", "아발란체", "Avalanche", 21_480.0, 10.0, 12e9),
    ("LINK", "체인링크", "Chainlink", 20_110.0, 10.0, 19e9),
    ("TRX", "트론", "TRON", 412.0, 1.0, 9.6e9),
    ("BCH", "비트코인캐시", "Bitcoin Cash", 781_500.0, 500.0, 7.3e9),
    ("ETC", "이더리움클래식", "Ethereum Classic", 24_510.0, 10.0, 6.8e9),
    ("SHIB", "시바이누", "Shiba Inu", 0.01362, 0.0001, 5.1e9),
    ("PEPE", "페페", "PEPE", 0.00718, 0.00001, 14e9),
    ("BONK", "봉크", "Bonk", 0.0163, 0.0001, 3.4e9),
    ("WLD", "월드코인", "Worldcoin", 978.0, 1.0, 16e9),
    ("ONDO", "온도파이낸스", "Ondo Finance", 712.0, 1.0, 2.1e9),
    ("HBAR", "헤데라", "Hedera", 236.0, 1.0, 8.2e9),
    ("STX", "스택스", "Stacks", 498.0, 1.0, 1.4e9),
    ("NEAR", "니어프로토콜", "NEAR Protocol", 2_711.0, 1.0, 4.2e9),
    ("ARB", "아비트럼", "Arbitrum", 391.0, 1.0, 3.9e9),
    ("SNT", "스테이터스네트워크토큰", "Status Network Token", 32.1, 0.1, 0.03e9),
    ("TOKAMAK", "토카막네트워크", "Tokamak Network", 1_412.0, 1.0, 1.25e12),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = arguments.first().map_or("127.0.0.1:8080", String::as_str).parse()?;
    let source = arguments.get(1).map_or("sim", String::as_str).to_owned();
    let (board, table, cancel) = (Arc::new(SharedBoard::new()), lake::TradeTable::default(), CancellationToken::new());
    let mut market = RandomMarket::new();
    board.lock().set_markets(market.names());
    let now = SystemClock.now_ms();
    table.push(market.history(now));
    let (senders, feeds): (Vec<_>, Vec<_>) = ["ticker", "trade", "orderbook"]
        .map(|name| {
            let (sender, batches) = broadcast::channel(64);
            (sender, Feed { table: name.to_owned(), batches })
        })
        .into_iter()
        .unzip();
    let (_ready, ready) = watch::channel(true);
    let received = Arc::new(AtomicU64::new(0));
    let health = health_source(source, received.clone());
    let topics = Arc::new(demo_topics(now));
    let (sessions, statement_timeout) = (table.sessions(), Duration::from_secs(60));
    let state = HttpState {
        sessions,
        board,
        health,
        ready,
        feeds,
        topics: topics.clone(),
        backfills: Arc::new(NoBackfills("a demonstration has no exchange")),
        statement_timeout,
    };
    let config = HttpConfig { listen, token: None, host_names: Vec::new() };
    let page = serve(config, state, cancel.clone()).await?;
    println!("http://{}/", page.local_addr);
    let mut beats = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            _ = beats.tick() => {}
        }
        let now = SystemClock.now_ms();
        let batches = market.beat(now);
        received.fetch_add(batches.iter().map(|batch| batch.num_rows() as u64).sum(), Ordering::Relaxed);
        table.push(batches[1].clone());
        market.log_last_trade(&topics, now);
        for (sender, batch) in senders.iter().zip(batches) {
            sender.send(batch)?;
        }
    }
    cancel.cancel();
    page.stopped().await;
    Ok(())
}

struct Coin {
    market: String,
    price: f64,
    prev_close: f64,
    turnover: f64,
    tick: f64,
}

struct RandomMarket {
    state: u64,
    next_id: i64,
    coins: Vec<Coin>,
}

impl RandomMarket {
    fn new() -> RandomMarket {
        let mut market =
            RandomMarket { state: 0x9e37_79b9_7f4a_7c15, next_id: 17_853_950_437_790_001, coins: Vec::new() };
        for (code, _, _, price, tick, turnover) in COINS {
            let prev_close = snap(price * (1.0 + (market.random() - 0.5) * 0.16), tick);
            market.coins.push(Coin { market: format!("KRW-{code}"), price, prev_close, turnover, tick });
        }
        market
    }

    fn names(&self) -> Vec<ListedMarket> {
        let cautions = |index| if index % 4 == 2 { vec!["GLOBAL_PRICE_DIFFERENCES".to_owned()] } else { Vec::new() };
        let info = |(index, (coin, names)): (usize, (&Coin, &CoinSpec))| ListedMarket {
            info: MarketInfo {
                market: Market::parse(&coin.market).expect("a market"),
                korean_name: names.1.to_owned(),
                english_name: names.2.to_owned(),
                warning: index % 9 == 7,
                cautions: cautions(index),
            },
            listed_at: (index % 11 == 3).then(|| SystemClock.now_ms() - 86_400_000),
        };
        self.coins.iter().zip(&COINS).enumerate().map(info).collect()
    }

    /// Trades of the last two hours, so that there is a chart at once.
    fn history(&mut self, now: i64) -> arrow::array::RecordBatch {
        let mut rows = Vec::new();
        for at in (now - 7_200_000..now).step_by(1_700) {
            for index in 0..self.coins.len() {
                rows.push(self.trade(index, at));
            }
        }
        trades(&rows.iter().map(Trade::row).collect::<Vec<_>>())
    }

    /// One beat of the three streams.
    fn beat(&mut self, now: i64) -> [arrow::array::RecordBatch; 3] {
        let mut made = Vec::new();
        for index in 0..self.coins.len() {
            if self.random() < if index < 6 { 0.6 } else { 0.15 } {
                made.push(self.trade(index, now - 20));
            }
        }
        let changed: Vec<usize> = (0..self.coins.len()).filter(|_| self.random() < 0.4).collect();
        let texts: Vec<_> = changed
            .iter()
            .map(|index| &self.coins[*index])
            .map(|coin| (number(coin.price), number(coin.prev_close), format!("{:.8}", coin.turnover)))
            .collect();
        let rows = changed
            .iter()
            .zip(&texts)
            .map(|(index, (price, prev, turnover))| TickerRow(&self.coins[*index].market, price, prev, turnover, now));
        let ticker_batch = tickers(&rows.collect::<Vec<_>>());
        let levels: Vec<_> = changed.iter().map(|index| (*index, self.levels(*index))).collect();
        let rows = levels.into_iter().map(|(index, levels)| BookRow(&self.coins[index].market, now, levels));
        let book_batch = books(&rows.collect::<Vec<_>>());
        [ticker_batch, trades(&made.iter().map(Trade::row).collect::<Vec<_>>()), book_batch]
    }

    fn trade(&mut self, index: usize, at: i64) -> Trade {
        let (step, size, side) = (self.random() - 0.5, self.random(), self.random());
        let coin = &mut self.coins[index];
        coin.price = snap(coin.price * (1.0 + step * 0.0012) + step * coin.tick, coin.tick).max(coin.tick);
        let amount = 10_f64.powf(3.8 + size * size * size * 4.2);
        coin.turnover += amount;
        self.next_id += 1;
        Trade {
            market: self.coins[index].market.clone(),
            id: self.next_id,
            at,
            price: number(self.coins[index].price),
            volume: format!("{:.8}", amount / self.coins[index].price),
            side: if side < 0.5 { "ASK" } else { "BID" },
        }
    }

    /// One coin's price as a message of the topic of trades.
    fn log_last_trade(&mut self, topics: &topic_log::TopicLog, now: i64) {
        let index = (self.random() * self.coins.len() as f64) as usize;
        let coin = &self.coins[index];
        let (code, price, id) = (&coin.market, number(coin.price), self.next_id);
        let value = format!(
            r#"{{"type":"trade","code":"{code}","timestamp":{now},"trade_price":{price},"ask_bid":"BID","sequential_id":{id}}}"#
        );
        topics.append("upbit-trade", index % 3, now, Some(code), value, &[]);
    }

    fn levels(&mut self, index: usize) -> Vec<[String; 4]> {
        let (price, tick) = (self.coins[index].price, self.coins[index].tick);
        let mut size = || format!("{:.8}", 10_f64.powf(4.5 + self.random() * 3.0) / price);
        let level = |depth: usize| {
            let away = depth as f64 * tick;
            [number(snap(price + away + tick, tick)), number(snap((price - away).max(0.0), tick)), size(), size()]
        };
        (0..30).map(level).collect()
    }

    /// Xorshift: enough for prices that nobody trades on.
    fn random(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Trade {
    market: String,
    id: i64,
    at: i64,
    price: String,
    volume: String,
    side: &'static str,
}

impl Trade {
    fn row(&self) -> TradeRow<'_> {
        TradeRow(&self.market, self.id, self.at, &self.price, &self.volume, self.side)
    }
}

/// A topic of trades that fills, two dead letters, and a group that reads.
fn demo_topics(now: i64) -> topic_log::TopicLog {
    let topics = topic_log::TopicLog::default();
    topics.create("upbit-trade", 3);
    topics.create("upbit-dead-letter", 1);
    let reason = ("error.reason", r#"field "trade_price": expected DECIMAL(20, 8), found "soon""#);
    let place = [("source.topic", "upbit-trade"), ("source.partition", "1"), ("source.offset", "2")];
    let headers = [&[reason, ("error.stage", "job upbit.trade")][..], &place[..]].concat();
    topics.append("upbit-dead-letter", 0, now, Some("KRW-BTC"), r#"{"type":"trade","trade_price":"soon"}"#, &headers);
    let headers = [("error.reason", r#""code" is missing"#), ("error.stage", "collect")];
    topics.append("upbit-dead-letter", 0, now, None, r#"{"type":"ticker","timestamp":1}"#, &headers);
    let offset = |partition| GroupOffset {
        topic: "upbit-trade".to_owned(),
        partition,
        committed_offset: 3_000,
        end_offset: 3_000 + 41 * i64::from(partition),
    };
    let member = |partition: u32| Member {
        member_id: format!("rdkafka-7c1f0a52-{partition}"),
        client_id: "rdkafka".to_owned(),
        host: "/127.0.0.1".to_owned(),
        assigned: vec![TopicPartition { topic: "upbit-trade".to_owned(), partition }],
    };
    topics.groups.lock().expect("a lock").push(Group {
        name: "clickhouse".to_owned(),
        kind: GroupKind::Consumer,
        state: "Stable".to_owned(),
        protocol: Some("range".to_owned()),
        members: (0..3).map(member).collect(),
        offsets: (0..3).map(offset).collect(),
    });
    topics
}

fn snap(price: f64, tick: f64) -> f64 {
    (price / tick).round() * tick
}

fn number(value: f64) -> String {
    format!("{value:.8}")
}

fn health_source(source: String, received: Arc<AtomicU64>) -> hoga_serve::health::HealthSource {
    let started = Instant::now();
    Arc::new(move || {
        let (total, seconds) = (received.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
        let wave = 1.0 + 0.3 * (seconds / 4.0).sin();
        let names = ["ticker", "trade", "orderbook"];
        let rate = total as f64 / seconds.max(1.0) / 3.0 * wave;
        let (state, reason, name) = match &*source {
            "unreachable" => {
                let reason = "cannot connect to wss://api.upbit.com/websocket/v1: connection refused (os error 111)";
                (ExchangeState::Unreachable, Some(reason.to_owned()), "upbit")
            }
            "replay" => (ExchangeState::Ended, None, "replay:frames_2026-07-30.jsonl"),
            "upbit" => (ExchangeState::Connected, None, "upbit"),
            _ => (ExchangeState::Connected, None, "sim"),
        };
        let partition = |partition| PartitionHealth { partition, start_offset: 0, end_offset: (total / 9) as i64 };
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: (seconds * 1_000.0) as u64,
            source: SourceHealth {
                name: name.to_owned(),
                simulated: name != "upbit",
                retry_in_ms: reason.is_some().then_some(3_200),
                state,
                reason,
                reconnects_total: 2,
                ..SourceHealth::default()
            },
            streams: names
                .map(|name| StreamHealth {
                    name: name.to_owned(),
                    received_total: total / 3,
                    rate_per_s: rate,
                    last_event_age_ms: Some(12),
                })
                .into(),
            topics: names
                .map(|name| TopicHealth {
                    name: format!("upbit-{name}"),
                    bytes: total * 211,
                    partitions: (0..3).map(partition).collect(),
                })
                .into(),
            jobs: names
                .map(|name| JobHealth {
                    name: format!("upbit.{name}"),
                    rows_in_total: total / 3,
                    rows_out_total: total / 3,
                    rate_per_s: rate,
                    lag_records: total % 3,
                    lag_ms: Some(4),
                    ..Default::default()
                })
                .into(),
            tables: names
                .map(|name| TableHealth {
                    name: format!("upbit.{name}"),
                    committed_rows: total / 4,
                    live_rows: total / 12,
                    last_snapshot_id: Some(seconds as i64 / 30 + 1),
                    last_commit_age_ms: Some((seconds * 1_000.0) as u64 % 30_000),
                    files: Some(12),
                    bytes: Some(48_000_000),
                    snapshots: Some(120),
                })
                .into(),
            checkpoint: CheckpointHealth {
                last_id: Some(seconds as i64 / 30 + 1),
                duration_ms: Some(84),
                age_ms: Some((seconds * 1_000.0) as u64 % 30_000),
                state_bytes: Some(48 << 10),
                error: None,
            },
            process: ProcessHealth { resident_bytes: 148_300_000, cpu_seconds_total: seconds * 0.2, cpu_cores: 0.21 },
            dead_letters_total: 3,
            visible_latency: LatencyHealth { p50_ms: Some(0.9), p99_ms: Some(4.2) },
            ..Default::default()
        }
    })
}
