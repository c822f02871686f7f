//! The simulated exchange over real sockets: subscriptions, keepalive, faults, truth.

use super::*;
use futures::{SinkExt, StreamExt};
use hoga_model::number::parse_decimal;
use hoga_model::time::SystemClock;
use serde_json::Value;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// (market, id) → volume in units of 10^-8.
type Trades = HashMap<(String, u64), i128>;

async fn start(config: SimConfig) -> (RunningSim, CancellationToken) {
    let cancel = CancellationToken::new();
    let sim = serve(config, Arc::new(SystemClock), cancel.clone()).await.expect("a free port on loopback");
    (sim, cancel)
}

async fn connect(sim: &RunningSim, request: &str) -> Socket {
    let (mut socket, response) = connect_async(sim.ws_url()).await.expect("a handshake");
    assert_eq!(response.headers().get("limit-by-ip").map(HeaderValue::as_bytes), Some(&b"Yes"[..]));
    socket.send(Message::text(request)).await.expect("a request");
    socket
}

/// The binary frames up to the close frame, and its code.
async fn read_to_end(socket: &mut Socket) -> (Vec<Bytes>, Option<u16>) {
    let mut frames = Vec::new();
    let mut code = None;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(frame) => frames.push(frame),
            Message::Close(frame) => code = frame.map(|frame| frame.code.into()),
            other => panic!("every frame is binary, not {other:?}"),
        }
    }
    (frames, code)
}

async fn read_one(socket: &mut Socket) -> Value {
    match socket.next().await {
        Some(Ok(Message::Binary(frame))) => serde_json::from_slice(&frame).expect("JSON"),
        other => panic!("{other:?} instead of a binary frame"),
    }
}

async fn http_get(sim: &RunningSim, target: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(sim.local_addr()).await.expect("a connection");
    let request = format!("GET {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn add_trade(trades: &mut Trades, row: &Value, market: &str) {
    let (Some(market), Some(id)) = (row[market].as_str(), row["sequential_id"].as_u64()) else { return };
    let volume = parse_decimal(&row["trade_volume"].to_string(), 38, 8).expect("a volume");
    let before = trades.insert((market.to_owned(), id), volume);
    assert!(before.is_none_or(|before| before == volume), "{market} {id} has two volumes");
}

fn truth(path: &std::path::Path) -> Trades {
    let mut trades = Trades::new();
    for line in std::fs::read_to_string(path).expect("a truth file").lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        assert!(!line.contains(['E', 'e']) || !row["trade_volume"].to_string().contains(['E', 'e']), "{line}");
        add_trade(&mut trades, &row, "market");
    }
    trades
}

fn all_codes(markets: usize) -> String {
    let listings = crate::sim::catalog::listings(markets, &[crate::sim::Quote::Krw]);
    serde_json::json!(listings.iter().map(|l| l.info.market.as_str()).collect::<Vec<_>>()).to_string()
}

fn request(markets: usize, kinds: &[&str]) -> String {
    let codes = all_codes(markets);
    let types: Vec<String> = kinds.iter().map(|kind| format!("{{\"type\":\"{kind}\",\"codes\":{codes}}}")).collect();
    format!("[{{\"ticket\":\"test\"}},{}]", types.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_truth_is_what_a_client_received_to_the_end_of_the_duration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("truth.jsonl");
    let config = SimConfig {
        markets: 40,
        rate: 2_000.0,
        duration: Some(Duration::from_millis(1_500)),
        truth: Some(path.clone()),
        grace: Duration::from_millis(300),
        ..SimConfig::default()
    };
    let (sim, _cancel) = start(config).await;
    let mut socket = connect(&sim, &request(40, &["ticker", "trade", "orderbook"])).await;
    let (frames, code) = read_to_end(&mut socket).await;
    assert_eq!(code, Some(1000));
    let stats = sim.join().await.expect("an end without an error");
    assert_eq!(stats.events() + stats.events_skipped, 3_000);
    assert_eq!(frames.len() as u64, stats.frames);
    let mut received = Trades::new();
    let mut last_sums: HashMap<String, i128> = HashMap::new();
    for frame in &frames {
        let row: Value = serde_json::from_slice(frame).expect("JSON");
        if row["type"] == "trade" {
            add_trade(&mut received, &row, "code");
        }
        if row["type"] == "ticker" {
            let sum = parse_decimal(&row["acc_trade_volume"].to_string(), 38, 8).expect("a volume");
            last_sums.insert(row["code"].as_str().unwrap_or_default().to_owned(), sum);
        }
    }
    let truth = truth(&path);
    assert_eq!(truth.len() as u64, stats.trades);
    assert_eq!(received, truth);
    assert_eq!(received.values().sum::<i128>(), truth.values().sum::<i128>());
    for (market, sum) in last_sums {
        let made: i128 = truth.iter().filter(|((code, _), _)| *code == market).map(|(_, volume)| volume).sum();
        assert!(sum <= made, "{market}: a ticker of {sum} is more than all trades, {made}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dropped_socket_missed_is_in_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("truth.jsonl");
    let config = SimConfig {
        markets: 5,
        rate: 2_000.0,
        duration: Some(Duration::from_secs(2)),
        truth: Some(path.clone()),
        faults: vec!["disconnect=0.7".parse().expect("a fault"), "late=0.1".parse().expect("a fault")],
        ..SimConfig::default()
    };
    let (sim, cancel) = start(config).await;
    let request = request(5, &["trade"]);
    let mut received = Trades::new();
    let mut drops = 0;
    while !sim.stats().is_over {
        let mut socket = connect(&sim, &request).await;
        let (frames, code) = tokio::select! {
            read = read_to_end(&mut socket) => read,
            () = async { while !sim.stats().is_over { tokio::time::sleep(Duration::from_millis(20)).await } } => break,
        };
        assert_eq!(code, None, "a dropped socket has no close frame");
        drops += 1;
        for frame in frames {
            add_trade(&mut received, &serde_json::from_slice(&frame).expect("JSON"), "code");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(drops >= 1, "no socket was dropped");
    let by_socket = received.len();
    for market in ["KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-SOL", "KRW-USDT"] {
        let mut cursor = String::new();
        loop {
            let (head, rows) = http_get(&sim, &format!("/v1/trades/ticks?market={market}&count=500{cursor}")).await;
            assert!(head.starts_with("HTTP/1.1 200") && head.contains("remaining-req: group=trade"), "{head}");
            let rows = rows.as_array().cloned().unwrap_or_default();
            let Some(oldest) = rows.last() else { break };
            cursor = format!("&cursor={}", oldest["sequential_id"]);
            rows.iter().for_each(|row| add_trade(&mut received, row, "market"));
        }
    }
    assert!(by_socket < received.len());
    assert_eq!(received, truth(&path));
    cancel.cancel();
    sim.join().await.expect("an end without an error");
}

#[tokio::test]
async fn control_messages_and_refusals() {
    let (sim, cancel) = start(SimConfig { markets: 3, ..SimConfig::default() }).await;
    let mut socket = connect(&sim, "PING").await;
    assert_eq!(read_one(&mut socket).await, serde_json::json!({"status": "UP"}));
    socket.send(Message::Ping(Bytes::from_static(b"x"))).await.expect("a ping");
    assert!(matches!(socket.next().await, Some(Ok(Message::Pong(_)))));
    for (text, name) in [
        ("nonsense", "WRONG_FORMAT"),
        (r#"[{"type":"trade","codes":["KRW-BTC"]}]"#, "NO_TICKET"),
        (r#"[{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}]"#, "INVALID_PARAM"),
        (r#"[{"ticket":"t"},{"type":"trade"}]"#, "NO_CODES"),
        (r#"[{"ticket":"t"}]"#, "NO_TYPE"),
    ] {
        let mut socket = connect(&sim, text).await;
        let asked = Instant::now();
        let (frames, code) = read_to_end(&mut socket).await;
        let error: Value = serde_json::from_slice(&frames[0]).expect("JSON");
        assert_eq!((&error["error"]["name"], frames.len(), code), (&name.into(), 1, Some(1000)));
        assert!(asked.elapsed() >= Duration::from_millis(140), "{:?}", asked.elapsed());
    }
    assert!(!sim.stats().is_open, "nobody has subscribed");
    cancel.cancel();
    sim.join().await.expect("an end without an error");
}

#[tokio::test]
async fn rest_and_handshake_over_http() {
    let (sim, cancel) = start(SimConfig { markets: 3, ..SimConfig::default() }).await;
    let (head, body) = http_get(&sim, "/v1/market/all?is_details=true").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body[1]["market"], "KRW-ETH");
    let (head, body) = http_get(&sim, "/v1/trades/ticks?market=KRW-NOPE").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert_eq!(body, serde_json::json!({"error": {"name": 404, "message": "Code not found"}}));
    let (head, _) = http_get(&sim, "/websocket/v1").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    cancel.cancel();
    sim.join().await.expect("an end without an error");
}

#[tokio::test]
async fn an_idle_socket_is_dropped_without_a_close_frame() {
    let config = SimConfig { markets: 1, idle_timeout: Duration::from_millis(200), ..SimConfig::default() };
    let (sim, _cancel) = start(config).await;
    let mut socket = connect(&sim, "PING").await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        socket.send(Message::Ping(Bytes::new())).await.expect("pings keep it open");
    }
    let quiet = Instant::now();
    let (frames, code) = tokio::time::timeout(Duration::from_secs(5), async {
        let mut frames = 0;
        while let Some(Ok(message)) = socket.next().await {
            assert!(!message.is_close());
            frames += 1;
        }
        (frames, None::<u16>)
    })
    .await
    .expect("the socket ends");
    assert!(quiet.elapsed() >= Duration::from_millis(150) && frames >= 1 && code.is_none());
}

#[tokio::test]
async fn a_second_listener_on_the_port_is_told_so_and_bad_settings_are_refused() {
    let (sim, cancel) = start(SimConfig { markets: 1, ..SimConfig::default() }).await;
    let refuse = async |config: SimConfig| match serve(config, Arc::new(SystemClock), CancellationToken::new()).await {
        Ok(_) => panic!("not refused"),
        Err(error) => error,
    };
    let error = refuse(SimConfig { listen: sim.local_addr(), ..SimConfig::default() }).await;
    assert!(matches!(error, SimError::AddressInUse(_)), "{error}");
    let error = refuse(SimConfig { markets: 0, ..SimConfig::default() }).await;
    assert_eq!(
        error.to_string(),
        "a number of markets of 0 is not possible for the simulated exchange; choose 1 to 5000"
    );
    let error = refuse(SimConfig { rate: f64::NAN, ..SimConfig::default() }).await;
    assert!(matches!(error, SimError::InvalidSetting { .. }));
    let error = refuse(SimConfig { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..SimConfig::default() }).await;
    assert!(matches!(error, SimError::NotLoopback(_)));
    let error = refuse(SimConfig { truth: Some("/no/such/folder/t.jsonl".into()), ..SimConfig::default() }).await;
    assert!(matches!(error, SimError::CreateTruth { .. }), "{error}");
    cancel.cancel();
    sim.join().await.expect("an end without an error");
}

/// Not a timed test: prints what the machine does. `cargo test --release -p hoga-upbit sustained -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of five seconds"]
async fn sustained_rate() {
    let (sim, cancel) = start(SimConfig { rate: 50_000.0, ..SimConfig::default() }).await;
    let mut socket = connect(&sim, &request(200, &["ticker", "trade", "orderbook"])).await;
    let began = Instant::now();
    let (mut frames, mut bytes) = (0_u64, 0_usize);
    while began.elapsed() < Duration::from_secs(5) {
        if let Some(Ok(Message::Binary(frame))) = socket.next().await {
            frames += 1;
            bytes += frame.len();
        }
    }
    let stats = sim.stats();
    eprintln!("received {frames} frames, {} MB in 5 s; made {} events; {stats:?}", bytes >> 20, stats.events());
    cancel.cancel();
    sim.join().await.expect("an end without an error");
}

/// Takes what hoga's own session gives and reads it with hoga's own reader.
#[derive(Default)]
struct Collector {
    trades: Vec<(String, u64)>,
    dead: usize,
}

impl crate::session::Handler for Collector {
    fn on_frame(&mut self, frame: Bytes, _recv_ms: i64) -> Result<(), crate::BoxError> {
        let mut messages = Vec::new();
        crate::frame::read_frame(&frame, &mut messages);
        for message in messages {
            match message {
                crate::frame::Message::Event(event) => {
                    self.trades.extend(event.sequential_id.map(|id| (event.market.to_string(), id)));
                }
                crate::frame::Message::Dead { .. } => self.dead += 1,
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), crate::BoxError> {
        Ok(())
    }

    fn on_state(&mut self, _state: crate::session::SessionState) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hogas_session_receives_the_truth_in_every_format() {
    use crate::subscription::{Format, Subscription};
    let folder = tempfile::tempdir().expect("a folder");
    for (format, faults) in [
        (Format::Default, &[][..]),
        (Format::Default, &["malformed=0.05", "duplicate=0.05", "unknown=0.05"]),
        (Format::Simple, &[]),
        (Format::JsonList, &[]),
        (Format::SimpleList, &["unknown=0.1"]),
    ] {
        let path = folder.path().join("truth.jsonl");
        let config = SimConfig {
            markets: 5,
            rate: 500.0,
            duration: Some(Duration::from_secs(1)),
            truth: Some(path.clone()),
            faults: faults.iter().map(|text| text.parse().expect("a fault")).collect(),
            grace: Duration::from_millis(400),
            ..SimConfig::default()
        };
        let (sim, _cancel) = start(config).await;
        let markets = crate::rest::markets(&sim.rest_url()).await.expect("the list of markets");
        assert_eq!(markets.len(), 5);
        let mut subscription = Subscription::all_streams(markets.into_iter().map(|info| info.market).collect());
        subscription.format = format;
        let session =
            crate::session::SessionConfig { url: sim.ws_url(), ..crate::session::SessionConfig::new(subscription) };
        let mut collector = Collector::default();
        let stop = CancellationToken::new();
        let running = crate::session::run(session, Arc::new(SystemClock), stop.clone(), &mut collector);
        let (ran, stats) = tokio::join!(running, async {
            let stats = sim.join().await.expect("an end without an error");
            stop.cancel();
            stats
        });
        ran.expect("a session that was told to stop");
        assert_eq!(collector.dead > 0, !faults.is_empty(), "{format:?} {faults:?}: {} dead", collector.dead);
        let received: Trades = collector.trades.iter().map(|trade| (trade.clone(), 0)).collect();
        let truth: Trades = truth(&path).into_keys().map(|trade| (trade, 0)).collect();
        assert_eq!(received, truth, "{format:?}");
        let is_doubled = faults.contains(&"duplicate=0.05");
        assert_eq!(collector.trades.len() as u64 > stats.trades, is_doubled, "{format:?}");
    }
}
