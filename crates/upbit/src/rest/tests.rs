//! The market lists of all years, and every way an answer can be wrong.
#![allow(clippy::unwrap_used, reason = "tests")]

use hoga_model::Fault;
use hoga_model::time::ManualClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[test]
fn lists_of_all_years() {
    let old = read_markets(include_bytes!("../../tests/fixtures/rest_market_all_2021-04-17.jsonl")).unwrap();
    assert_eq!(old.len(), 294);
    assert_eq!(old[0].market.as_str(), "KRW-BTC");
    assert_eq!((old[0].korean_name.as_str(), old[0].english_name.as_str()), ("비트코인", "Bitcoin"));
    assert!(old.iter().all(|info| !info.warning));
    assert_eq!(old.iter().filter(|info| info.market.quote() == "KRW").count(), 117);

    assert!(old.iter().all(|info| info.cautions.is_empty()));
    let with = br#"[{"market":"KRW-BTC","market_event":{"warning":true,"caution":{"PRICE_FLUCTUATIONS":true,"B":false,"A":true,"C":"x"}}}]"#;
    assert_eq!(read_markets(with).unwrap()[0].cautions, ["A", "PRICE_FLUCTUATIONS"]);

    let mut lines = include_str!("../../tests/fixtures/rest_2026-07-30.jsonl").lines();
    let codes_with_warnings = |line: &str| {
        let infos = read_markets(line.as_bytes()).unwrap();
        infos.iter().map(|info| format!("{} {}", info.market, info.warning)).collect::<Vec<_>>()
    };
    // today's market_event, then the regional hosts' market_warning
    assert_eq!(
        codes_with_warnings(lines.next().unwrap()),
        ["KRW-BTC false", "KRW-AERGO true", "KRW-ZIL true", "BTC-SIGN false"]
    );
    assert_eq!(codes_with_warnings(lines.next().unwrap()), ["BTC-ZIL true", "BTC-SIGN false"]);
}

#[test]
fn rows_without_a_code_are_left_out_and_a_list_of_nothing_is_an_error() {
    let infos = read_markets(br#"[{"market":"KRW-BTC","english_name":7,"market_event":null},{"code":1},3]"#).unwrap();
    assert_eq!(infos.len(), 1);
    assert_eq!(read_markets(b"[]").unwrap_err(), "0 rows, and none has a market code");
    assert!(read_markets(b"<html>").unwrap_err().starts_with("not a list of markets: "));
}

/// Gives every connection the next of these answers; the URL, and what was asked.
pub(super) async fn server(answers: Vec<String>) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            sender.send(String::from_utf8(request).unwrap()).unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, requests)
}

pub(super) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_request_has_no_origin() {
    let (url, mut requests) = server(vec![answer("200 OK", r#"[{"market":"KRW-BTC"}]"#)]).await;
    assert_eq!(markets(&format!("{url}/")).await.unwrap().len(), 1);
    let request = requests.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("get /v1/market/all?is_details=true http/1.1\r\n"), "{request}");
    assert!(!request.contains("\r\norigin:"), "{request}");
}

#[tokio::test]
async fn errors_say_what_happened_and_whether_to_try_again() {
    for (status, body, says, retry) in [
        (
            "429 Too Many Requests",
            "Too many API requests.",
            "answers HTTP 429: too many requests from this address; wait 10 s",
            true,
        ),
        ("418 I'm a teapot", "", "answers HTTP 418: too many requests from this address; wait 120 s", true),
        (
            "404 Not Found",
            r#"{"error":{"name":404,"message":"Code not found"}}"#,
            "answers HTTP 404: 404 (Code not found)",
            false,
        ),
        (
            "401 Unauthorized",
            r#"{"error":{"name":"invalid_access_key","message":"Invalid access key"}}"#,
            "answers HTTP 401: invalid_access_key (Invalid access key)",
            false,
        ),
        ("502 Bad Gateway", "<html>oops", "answers HTTP 502: <html>oops", true),
        ("302 Found", "", "answers HTTP 302: no further explanation", false),
        ("200 OK", "{}", "answers HTTP 200: not a list of markets: ", false),
    ] {
        let (url, _requests) = server(vec![answer(status, body)]).await;
        let error = markets(&url).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!((error.retry(), error.fault()), (retry, Fault::External), "{error}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_or_where_nobody_listens() {
    for url in ["api.upbit.com", "ftp://x", "http://"] {
        let error = markets(url).await.unwrap_err();
        assert_eq!(error.fault(), Fault::User, "{url}: {error}");
        assert!(error.to_string().starts_with("url \""), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = markets(&format!("http://{closed}")).await.unwrap_err();
    assert!(error.retry());
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot reach http://{closed}/v1/market/all")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn it_keeps_asking_until_there_is_an_answer() {
    let (url, _requests) =
        server(vec![answer("503 Down", "a"), answer("503 Down", "b"), answer("200 OK", r#"[{"market":"KRW-BTC"}]"#)])
            .await;
    let mut states = Vec::new();
    let clock = Arc::new(ManualClock::at(1));
    let found =
        markets_when_reachable(&url, clock.clone(), CancellationToken::new(), &mut |state| states.push(state)).await;
    assert_eq!(found.unwrap().map(|infos| infos.len()), Some(1));
    assert_eq!(states.len(), 2);
    assert!(states[0].to_string().starts_with("cannot reach the exchange: http://"), "{}", states[0]);

    let (url, _requests) = server(vec![answer("503 Down", "a")]).await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let found = markets_when_reachable(&url, clock, cancel, &mut |_| stop.cancel()).await;
    assert_eq!(found.unwrap(), None);
}

#[test]
fn the_limit_header_is_read_and_any_other_is_not() {
    assert_eq!(read_calls_left("group=trade; min=600; sec=9"), Some(9));
    assert_eq!(read_calls_left("group=trade;min=600;sec=0"), Some(0));
    for odd in ["", "group=trade", "sec=x", "seconds=3"] {
        assert_eq!(read_calls_left(odd), None, "{odd}");
    }
}
