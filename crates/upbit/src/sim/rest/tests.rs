//! The simulated REST endpoints answer as Upbit's do.

use super::*;
use crate::sim::SimConfig;
use crate::sim::limit::RateLimit;
use crate::sim::request::{Request, parse};
use serde_json::Value;

/// 2026-07-30 12:00 UTC.
const NOON_MS: i64 = 1_785_412_800_000;

/// A hub whose exchange was open for 150 seconds.
fn hub() -> Hub {
    let config = SimConfig { markets: 5, rate: 200.0, ..SimConfig::default() };
    let mut hub = Hub::new(&config, NOON_MS).expect("a hub without a truth file");
    let inbox = hub.join().expect("room for one");
    let request = br#"[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC"]}]"#;
    let Ok(Request::Subscribe(subscription)) = parse(request) else { panic!("not a subscription") };
    hub.subscribe(inbox.client, subscription, NOON_MS);
    for second in 1..=150 {
        hub.tick(NOON_MS + second * 1_000).expect("no truth file to fail");
    }
    hub
}

fn get(hub: &mut Hub, path: &str, query: &str) -> (u16, Value) {
    // a second of its own for every call: the limit has its own test
    hub.limit = RateLimit::default();
    let answer = answer(hub, path, query, NOON_MS + 150_000);
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array().into_iter().flatten().filter_map(|row| row["sequential_id"].as_u64()).collect()
}

#[test]
fn ticks_page_through_all_trades_without_a_hole() {
    let mut hub = hub();
    let all: Vec<u64> =
        hub.exchange.history(0).into_iter().flat_map(|h| h.trades(0, u64::MAX)).map(|t| t.sequential_id).collect();
    assert!(all.len() > 1_000);
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, rows) = get(&mut hub, "/v1/trades/ticks", &format!("market=KRW-BTC&count=500{cursor}"));
        assert_eq!(status, 200);
        let page = ids(&rows);
        let Some(oldest) = page.last() else { break };
        cursor = format!("&cursor={oldest}");
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let (_, rows) = get(&mut hub, "/v1/trades/ticks", "market=KRW-BTC&count=9999");
    assert_eq!(ids(&rows).len(), 500);
    let (_, rows) = get(&mut hub, "/v1/trades/ticks", "market=KRW-BTC&count=500&to=12:01:00");
    assert!(ids(&rows)[0] < (NOON_MS + 60_000) as u64 * 10_000);
    assert_eq!(get(&mut hub, "/v1/trades/ticks", "market=KRW-BTC&days_ago=1").1, serde_json::json!([]));
    let keys: Vec<&str> = rows[0].as_object().into_iter().flat_map(|row| row.keys()).map(String::as_str).collect();
    assert_eq!(keys.len(), 10, "{keys:?}");
}

#[test]
fn candles_are_the_bars_of_the_trades() {
    let mut hub = hub();
    let (_, rows) = get(&mut hub, "/v1/candles/minutes/1", "market=KRW-BTC&count=200");
    let starts: Vec<&str> =
        rows.as_array().into_iter().flatten().filter_map(|r| r["candle_date_time_utc"].as_str()).collect();
    assert_eq!(starts, ["2026-07-30T12:02:00", "2026-07-30T12:01:00", "2026-07-30T12:00:00"]);
    assert_eq!(rows[0]["candle_date_time_kst"], "2026-07-30T21:02:00");
    for to in
        ["2026-07-30T12:01:00Z", "2026-07-30%2012:01:00", "2026-07-30T21:01:00%2B09:00", "2026-07-30T21:01:00+09:00"]
    {
        let (status, rows) = get(&mut hub, "/v1/candles/minutes/1", &format!("market=KRW-BTC&count=200&to={to}"));
        assert_eq!((status, rows.as_array().map(Vec::len)), (200, Some(1)), "{to}: {rows}");
    }
    assert_eq!(get(&mut hub, "/v1/candles/minutes/60", "market=KRW-BTC").1.as_array().map(Vec::len), Some(1));
}

#[test]
fn market_all_and_ticker() {
    let mut hub = hub();
    let (_, plain) = get(&mut hub, "/v1/market/all", "");
    assert_eq!(plain[0], serde_json::json!({"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin"}));
    let (_, details) = get(&mut hub, "/v1/market/all", "is_details=true");
    assert_eq!(details[0]["market_event"]["warning"], false);
    assert_eq!(details[3]["market_event"]["caution"]["GLOBAL_PRICE_DIFFERENCES"], true);
    let (_, tickers) = get(&mut hub, "/v1/ticker", "markets=KRW-ETH,KRW-BTC");
    assert_eq!((&tickers[0]["market"], &tickers[1]["market"]), (&"KRW-ETH".into(), &"KRW-BTC".into()));
}

#[test]
fn mistakes_get_the_recorded_bodies() {
    let mut hub = hub();
    for (path, query, status, name) in [
        ("/v1/trades/ticks", "market=KRW-NOPE", 404, Value::from(404)),
        ("/v1/candles/minutes/1", "market=krw-btc", 404, Value::from(404)),
        ("/v1/ticker", "markets=KRW-BTC,KRW-NOPE", 404, Value::from(404)),
        ("/v1/trades/ticks", "", 400, Value::from(400)),
        ("/v1/trades/ticks", "market=KRW-BTC&count=x", 400, Value::from(400)),
        ("/v1/trades/ticks", "market=KRW-BTC&days_ago=8", 400, Value::from(400)),
        ("/v1/trades/ticks", "market=KRW-BTC&to=25:00:00", 400, Value::from(400)),
        ("/v1/candles/minutes/7", "market=KRW-BTC", 400, Value::from(400)),
        ("/v1/candles/minutes/1", "market=KRW-BTC&to=yesterday", 400, Value::from(400)),
        ("/v2/nothing", "", 404, Value::from("not_found")),
    ] {
        let (got, body) = get(&mut hub, path, query);
        assert_eq!((got, &body["error"]["name"]), (status, &name), "{path}?{query}: {body}");
    }
}

#[test]
fn the_limit_is_told_kept_and_a_fault_can_refuse_more() {
    let mut hub = hub();
    let mut ask = |at_ms| {
        let answer = answer(&mut hub, "/v1/trades/ticks", "market=KRW-BTC", NOON_MS + 150_000 + at_ms);
        (answer.status, answer.group)
    };
    assert_eq!((ask(0), ask(1)), ((200, Some(("trade", 9))), (200, Some(("trade", 8)))));
    let rest: Vec<u16> = (2..12).map(|at_ms| ask(at_ms).0).collect();
    assert_eq!(rest, [200, 200, 200, 200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(ask(1_000), (200, Some(("trade", 9))));

    for (fault, status) in [("block=5:1", 418), ("outage=5:1", 503), ("limit=1", 429)] {
        let faults = vec![fault.parse().expect("a fault")];
        let mut hub = Hub::new(&SimConfig { markets: 2, faults, ..SimConfig::default() }, NOON_MS).expect("a hub");
        let inbox = hub.join().expect("room for one");
        let Ok(Request::Subscribe(all)) = parse(br#"[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC"]}]"#) else {
            panic!("not a subscription")
        };
        hub.subscribe(inbox.client, all, NOON_MS);
        for second in 1..=2 {
            hub.tick(NOON_MS + second * 1_000).expect("no truth file to fail");
        }
        assert_eq!(answer(&mut hub, "/v1/market/all", "", NOON_MS + 2_000).status, status, "{fault}");
    }
}
