//! The page's listener: what it serves, whom it refuses, how it ends.

mod client;
mod rows;
mod topics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use hoga_model::{Market, MarketInfo};
use hoga_serve::board::{ListedMarket, SharedBoard};
use hoga_serve::health::{ExchangeState, Health, SourceHealth};
use hoga_serve::http::backfill::NoBackfills;
use hoga_serve::http::{Feed, HttpConfig, HttpState, RunningHttp, STREAMS_MAX, serve};
use hoga_serve::{Secret, ServeError};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::batches::{BookRow, TickerRow, TradeRow, books, tickers, trades};
use crate::lake::TradeTable;
use crate::topic_log::TopicLog;
use client::{Answer, Client, get, post, send};

const NOON: i64 = 1_785_412_800_000;
const TOKEN: &str = "0123456789abcdef;é";

/// A listener on a free port, and what feeds it.
struct Page {
    http: RunningHttp,
    cancel: CancellationToken,
    ready: watch::Sender<bool>,
    trades: broadcast::Sender<RecordBatch>,
    tickers: broadcast::Sender<RecordBatch>,
    books: broadcast::Sender<RecordBatch>,
    board: Arc<SharedBoard>,
    table: TradeTable,
    topic_log: Arc<TopicLog>,
}

impl Page {
    async fn start(token: Option<Secret>) -> Page {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let (ready, is_ready) = watch::channel(false);
        let (trades, trade_batches) = broadcast::channel(4);
        let (tickers, ticker_batches) = broadcast::channel(4);
        let (books, book_batches) = broadcast::channel(4);
        let (board, table, cancel) = (Arc::new(SharedBoard::new()), TradeTable::default(), CancellationToken::new());
        let topic_log = Arc::new(TopicLog::default());
        let state = HttpState {
            sessions: table.sessions(),
            board: board.clone(),
            health: Arc::new(|| Health {
                version: "test".to_owned(),
                source: SourceHealth {
                    name: "sim".to_owned(),
                    simulated: true,
                    state: ExchangeState::Unreachable,
                    reason: Some("connection refused".to_owned()),
                    ..Default::default()
                },
                ..Default::default()
            }),
            ready: is_ready,
            feeds: vec![
                Feed { table: "trade".to_owned(), batches: trade_batches },
                Feed { table: "ticker".to_owned(), batches: ticker_batches },
                Feed { table: "orderbook".to_owned(), batches: book_batches },
            ],
            topics: topic_log.clone(),
            backfills: Arc::new(NoBackfills("nothing is asked for here")),
            statement_timeout: Duration::from_secs(1),
        };
        let config = HttpConfig { listen, token, host_names: Vec::new() };
        let http = serve(config, state, cancel.clone()).await.expect("a free port");
        Page { http, cancel, ready, trades, tickers, books, board, table, topic_log }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.http.local_addr, &get(path)).await
    }

    async fn sql(&self, sql: &str) -> Answer {
        send(self.http.local_addr, &post("/api/sql", &json!({ "sql": sql }).to_string())).await
    }
}

#[tokio::test]
async fn the_page_brings_all_it_needs() {
    let page = Page::start(None).await;
    let index = page.get("/").await;
    assert_eq!((index.status, index.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(index.header("content-security-policy").starts_with("default-src 'self';"));
    assert!(!index.text().contains("//cdn") && !index.text().contains("style=\""), "CSP would refuse it");

    // whatever the files name must be there: they are followed from the page to their imports
    let mut paths = quoted(&index.text(), "\"/assets/", "/assets/");
    let mut seen = Vec::new();
    while let Some(path) = paths.pop() {
        let asset = page.get(&path).await;
        assert_eq!(asset.status, 200, "{path}");
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!(asset.header("content-type"), expected, "{path}");
        seen.push(path.clone());
        if path.ends_with(".js") && !path.contains("vendor") {
            let imports = quoted(&asset.text(), " from \"./", "/assets/");
            paths.extend(imports.into_iter().filter(|import| !seen.contains(import)));
        }
    }
    assert!(seen.iter().any(|path| path.ends_with("vendor/lightweight-charts.js")), "{seen:?}");

    let again = send(page.http.local_addr, &format!("{}If-None-Match: {}\r\n", get("/"), index.header("etag"))).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for path in ["/assets/none.js", "/assets/../Cargo.toml", "/assets/%2e%2e/Cargo.toml", "/nothing"] {
        assert_eq!(page.get(path).await.status, 404, "{path}");
    }
}

/// What stands between `before` and the next quotation mark, with `prefix` in front.
fn quoted(text: &str, before: &str, prefix: &str) -> Vec<String> {
    let ends = text.split(before).skip(1);
    ends.filter_map(|rest| rest.split('"').next()).map(|name| format!("{prefix}{name}")).collect()
}

#[tokio::test]
async fn healthz_waits_for_the_process() {
    let page = Page::start(None).await;
    assert_eq!(page.get("/healthz").await.status, 503);
    page.ready.send_replace(true);
    let answer = page.get("/healthz").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn other_names_and_other_sites_are_refused() {
    let page = Page::start(None).await;
    let address = page.http.local_addr;
    let request = |extra: &str| format!("GET /api/status HTTP/1.1\r\n{extra}");
    for (headers, status) in [
        ("Host: localhost:8080\r\n", 200),
        ("Host: 127.0.0.1\r\n", 200),
        ("Host: rebound.example:8080\r\n", 403),
        ("Host: a b\r\n", 400),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
    ] {
        let answer = send(address, &request(headers)).await;
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "no CORS");
    }
    assert_eq!(send(address, "GET / HTTP/1.1\r\n").await.status, 400, "no Host at all");
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token() {
    let start = |listen: &str, token: Option<&str>| {
        let (_, ready) = watch::channel(true);
        let state = HttpState {
            sessions: TradeTable::default().sessions(),
            board: Arc::default(),
            health: Arc::new(Health::default),
            ready,
            feeds: Vec::new(),
            topics: Arc::<TopicLog>::default(),
            backfills: Arc::new(NoBackfills("nothing is asked for here")),
            statement_timeout: Duration::from_secs(1),
        };
        let config = HttpConfig {
            listen: listen.parse().expect("an address"),
            token: token.map(Secret::new),
            host_names: Vec::new(),
        };
        serve(config, state, CancellationToken::new())
    };
    assert!(matches!(start("0.0.0.0:0", None).await, Err(ServeError::TokenNeeded { .. })));
    assert!(matches!(start("[::]:0", None).await, Err(ServeError::TokenNeeded { .. })));
    let weak = start("127.0.0.1:0", Some("short")).await.expect_err("refused");
    assert!(matches!(weak, ServeError::WeakToken { length: 5, .. }) && !weak.to_string().contains("short"), "{weak}");
    assert!(start("127.0.0.1:0", Some(TOKEN)).await.is_ok());

    let page = Page::start(None).await;
    let taken = start(&page.http.local_addr.to_string(), None).await.expect_err("refused");
    assert!(matches!(taken, ServeError::PortInUse { .. }), "{taken}");
}

#[tokio::test]
async fn a_token_opens_the_page() {
    let page = Page::start(Some(Secret::new(TOKEN))).await;
    let address = page.http.local_addr;
    page.ready.send_replace(true);
    for path in ["/", "/api/status", "/api/stream", "/metrics", "/api/board", "/api/bars?market=KRW-BTC"] {
        let answer = page.get(path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
    }
    assert_eq!(page.sql("SELECT 1").await.status, 401);
    assert!(page.get("/").await.text().contains("/assets/login.js"), "a browser gets a way in");
    for path in ["/healthz", "/assets/login.js", "/assets/style.css"] {
        assert_eq!(page.get(path).await.status, 200, "{path} needs no token");
    }
    let status =
        |header: String| async move { send(address, &format!("{}{header}\r\n", get("/api/status"))).await.status };
    assert_eq!(status(format!("Authorization: Bearer {TOKEN}")).await, 200);
    assert_eq!(status(format!("Authorization: Bearer {TOKEN}x")).await, 401);
    assert_eq!(status("Cookie: hoga_token=00".to_owned()).await, 401);

    assert_eq!(send(address, &post("/api/login", r#"{"token":"wrong"}"#)).await.status, 401);
    let login = send(address, &post("/api/login", &json!({ "token": TOKEN }).to_string())).await;
    assert_eq!(login.status, 204);
    let cookie = login.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair");
    assert_eq!(status(format!("Cookie: other=1; {pair}")).await, 200);
}

#[tokio::test]
async fn the_stream_brings_everything_and_then_what_is_new() {
    let page = Page::start(None).await;
    let market = Market::parse("KRW-BTC").expect("a market");
    let (korean_name, english_name) = ("비트코인".to_owned(), "Bitcoin".to_owned());
    let cautions = vec!["GLOBAL_PRICE_DIFFERENCES".to_owned()];
    let info = MarketInfo { market, korean_name, english_name, warning: true, cautions };
    page.board.lock().set_markets(vec![ListedMarket { info, listed_at: Some(NOON) }]);
    page.tickers.send(tickers(&[TickerRow("KRW-BTC", "95000000", "94000000", "1", NOON)])).expect("a reader");
    page.trades.send(trades(&[trade(7, 0), trade(3, 0)])).expect("a reader");
    wait_until(|| page.board.lock().trades_since("KRW-BTC", 0).len() == 2).await;

    let mut stream = Client::open(page.http.local_addr, &get("/api/stream?market=KRW-BTC")).await;
    let expected = json!({
        "market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin", "warning": true,
        "cautions": ["GLOBAL_PRICE_DIFFERENCES"], "listed_at": NOON
    });
    assert_eq!(stream.event("markets").await[0], expected);
    assert_eq!(stream.event("board").await[0]["trade_price"], "95000000");
    let first = stream.event("trades").await;
    assert_eq!((&first["reset"], ids(&first)), (&json!(true), vec!["3".to_owned(), "7".to_owned()]));
    let health = stream.event("health").await;
    assert_eq!((&health["source"]["state"], &health["page"]["streams_open"]), (&json!("unreachable"), &json!(1)));

    page.trades.send(trades(&[trade(7, 0), trade(17_853_950_437_790_001, 1)])).expect("a reader");
    let next = stream.event("trades").await;
    assert_eq!((&next["reset"], ids(&next)), (&json!(false), vec!["17853950437790001".to_owned()]));

    let level = ["101", "100", "0.00000001", "2"].map(str::to_owned);
    let other = BookRow("KRW-ETH", NOON, vec![level.clone()]);
    page.books.send(books(&[other, BookRow("KRW-BTC", NOON, vec![level])])).expect("a reader");
    let book = stream.event("book").await;
    assert_eq!(
        (&book["market"], &book["asks"], &book["bids"]),
        (&json!("KRW-BTC"), &json!([["101", "0.00000001"]]), &json!([["100", "2"]]))
    );

    let started = Instant::now();
    page.cancel.cancel();
    stream.end().await;
    page.http.stopped().await;
    assert!(started.elapsed() < Duration::from_secs(1), "an open page must not hold the process up");
}

#[tokio::test]
async fn a_page_too_many_is_refused() {
    let page = Page::start(None).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut stream = Client::open(page.http.local_addr, &get("/api/stream")).await;
        stream.event("board").await;
        open.push(stream);
    }
    let refused = page.get("/api/stream").await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(page.get("/api/board").await.status, 200, "what is no stream is still served");
    drop(open);
    let address = page.http.local_addr;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let status = send(address, &get("/api/status")).await.json();
        if status["page"]["streams_open"] == 0 {
            assert_eq!(status["page"]["streams_refused_total"], 1);
            return;
        }
    }
    panic!("the places of closed pages were not given back");
}

#[tokio::test]
async fn a_feed_that_was_too_fast_is_counted() {
    let page = Page::start(None).await;
    // the test's runtime has one thread: the reader cannot run before the channel of 4 is full
    for id in 0..10 {
        page.trades.send(trades(&[trade(id, 0)])).expect("a reader");
    }
    wait_until(|| !page.board.lock().trades_since("KRW-BTC", 0).is_empty()).await;
    let answer = page.get("/api/board?market=KRW-BTC").await.json();
    assert_eq!(answer["trades"].as_array().map(Vec::len), Some(4), "the latest ones");
    let metrics = page.get("/metrics").await;
    assert!(metrics.text().contains("\nhoga_page_batches_missed_total 6\n"), "{}", metrics.text());
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn bars_open_and_close_in_the_markets_order() {
    let page = Page::start(None).await;
    assert_eq!(page.get("/api/bars?market=KRW-BTC").await.status, 503, "there is no table yet");
    let row = |id, at, price, volume| TradeRow("KRW-BTC", id, NOON + at, price, volume, "BID");
    page.table.push(trades(&[
        row(12, 59_999, "103", "0.00000001"), // closes: the larger id of the last instant
        row(11, 59_999, "99.5", "1"),
        row(2, 0, "100", "1"), // opens: arrived after later ones
        row(5, 30_000, "107.25", "2"),
        TradeRow("KRW-ETH", 1, NOON + 1, "1", "1", "BID"),
    ]));
    page.table.push(trades(&[row(20, 180_000, "104", "3"), row(1, -600_000, "1", "1")]));
    let answer = page.get("/api/bars?market=KRW-BTC&seconds=60&count=4").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bars = answer.json()["bars"].clone();
    assert_eq!(
        bars,
        json!([
            { "start": NOON, "open": "100", "high": "107.25", "low": "99.5", "close": "103", "volume": "4.00000001",
              "trade_count": 4, "last_trade_timestamp": NOON + 59_999, "last_sequential_id": "12" },
            { "start": NOON + 180_000, "open": "104", "high": "104", "low": "104", "close": "104", "volume": "3",
              "trade_count": 1, "last_trade_timestamp": NOON + 180_000, "last_sequential_id": "20" },
        ]),
        "an interval without a trade has no bar, one that is too old is not asked for"
    );
    assert_eq!(page.get("/api/bars?market=KRW-XRP").await.json()["bars"], json!([]));
    for bad in
        ["market=krw-btc", "market=KRW-BTC'--", "market=KRW-BTC&seconds=0", "market=KRW-BTC&count=1001", "seconds=60"]
    {
        assert_eq!(page.get(&format!("/api/bars?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_console_reads_exactly_and_only_reads() {
    let page = Page::start(None).await;
    page.table.push(trades(&[trade(17_853_950_437_790_001, 1)]));
    let answer = page.sql("SELECT sequential_id, trade_price, ask_bid, NULL AS nothing FROM upbit.trade").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["rows"], json!([["17853950437790001", "95000000.00000000", "BID", null]]));
    assert_eq!(answer["columns"][1], json!({ "name": "trade_price", "type": "DECIMAL(20, 8)", "numeric": true }));
    assert_eq!(answer["truncated"], json!(false));

    for refused in [
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE upbit.trade",
        "INSERT INTO upbit.trade SELECT * FROM upbit.trade",
        "COPY (SELECT 1) TO '/tmp/hoga-test.csv'",
        "CREATE EXTERNAL TABLE passwd STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT 1; DROP TABLE upbit.trade",
        "SELEC 1",
        "",
    ] {
        let answer = page.sql(refused).await;
        assert_eq!(answer.status, 400, "{refused}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{refused}");
    }
    let many = page.sql("SELECT value FROM generate_series(1, 5000) AS numbers(value)").await.json();
    assert_eq!((many["rows"].as_array().map(Vec::len), &many["truncated"]), (Some(1_000), &json!(true)), "{many}");

    let address = page.http.local_addr;
    let plain = post("/api/sql", r#"{"sql":"SELECT 1"}"#).replace("application/json", "text/plain");
    assert_eq!(send(address, &plain).await.status, 415, "a form of another site can send text/plain");
    assert_eq!(page.sql(&" ".repeat(70_000)).await.status, 413);
}

fn trade(id: i64, at: i64) -> TradeRow<'static> {
    TradeRow("KRW-BTC", id, NOON + at, "95000000", "0.1", "BID")
}

fn ids(message: &Value) -> Vec<String> {
    let trades = message["trades"].as_array().expect("an array");
    trades.iter().map(|trade| trade["sequential_id"].as_str().expect("text").to_owned()).collect()
}

async fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..100 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain");
}
