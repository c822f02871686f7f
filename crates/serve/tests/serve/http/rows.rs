//! Results that are sent whole: exact, streamed, and never a part for the whole.

use std::time::Duration;

use hoga_serve::http::EXPORTS_MAX;
use hoga_serve::rows::{Buffer, RecordBatch, StreamDecoder};
use serde_json::json;

use super::client::{Answer, Client, post, send};
use super::{Page, trade};
use crate::batches::trades;

impl Page {
    async fn rows(&self, query: &str, accept: &str, sql: &str) -> Answer {
        send(self.http.local_addr, &request(query, accept, sql)).await
    }
}

fn request(query: &str, accept: &str, sql: &str) -> String {
    let request = post(&format!("/api/sql{query}"), &json!({ "sql": sql }).to_string());
    request.replacen("Host: localhost\r\n", &format!("Host: localhost\r\nAccept: {accept}\r\n"), 1)
}

/// The body, if it has an end.
fn whole(answer: &Answer) -> Option<Vec<u8>> {
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    let (mut rest, mut body) = (answer.body.as_slice(), Vec::new());
    loop {
        let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 4 + length..)?;
    }
}

fn decoded(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let (mut decoder, mut buffer, mut batches) = (StreamDecoder::new(), Buffer::from(bytes), Vec::new());
    while let Some(batch) = decoder.decode(&mut buffer).expect("an Arrow stream") {
        batches.push(batch);
    }
    decoder.finish().expect("its end");
    batches
}

#[tokio::test]
async fn an_arrow_stream_has_every_row_exactly() {
    let page = Page::start(None).await;
    let sent = trades(&[trade(1, 0), trade(2, 1)]);
    page.table.push(sent.clone());
    let sql = "SELECT * FROM upbit.trade WHERE trade_price > 0.1 ORDER BY sequential_id";
    for (query, accept) in
        [("?format=arrow", "*/*"), ("", "application/vnd.apache.arrow.stream"), ("?format=arrow", "text/csv")]
    {
        let answer = page.rows(query, accept, sql).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.apache.arrow.stream"));
        let batches = decoded(whole(&answer).expect("an end"));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].columns(), sent.columns());
    }
    let many = page.rows("?format=arrow", "*/*", "SELECT value FROM generate_series(1, 300000) AS n(value)").await;
    let batches = decoded(whole(&many).expect("an end"));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 300_000);
    let none = page.rows("?format=arrow", "*/*", "SELECT market FROM upbit.trade WHERE false").await;
    assert!(decoded(whole(&none).expect("an end")).is_empty(), "columns alone are a stream too");
}

#[tokio::test]
async fn csv_and_json_by_name() {
    let page = Page::start(None).await;
    let sql = "SELECT 0.10 AS a, '' AS b, NULL AS c";
    let csv = page.rows("?format=csv", "*/*", sql).await;
    assert_eq!(csv.header("content-type"), "text/csv");
    assert_eq!(String::from_utf8(whole(&csv).expect("an end")).expect("text"), "a,b,c\n0.10,\"\",\n");
    assert_eq!(page.rows("", "text/csv;q=0.9", sql).await.header("content-type"), "text/csv");
    for (query, accept) in [("?format=json", "text/csv"), ("", "*/*"), ("", "application/json, text/csv")] {
        assert_eq!(page.rows(query, accept, sql).await.json()["rows"], json!([["0.10", "", null]]));
    }
}

#[tokio::test]
async fn what_fails_at_once_is_told_in_json() {
    let page = Page::start(None).await;
    for (query, sql, reason) in [
        ("?format=arrow", "SELECT * FROM nothing", "nothing"),
        ("?format=arrow", "CREATE TABLE t (a INT)", "not supported"),
        ("?format=csv", "SELECT 1 / (value - 1) FROM generate_series(1, 2) AS n(value)", "ivide by zero"),
        ("?format=parquet", "SELECT 1", "write arrow, csv or json"),
    ] {
        let answer = page.rows(query, "*/*", sql).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/json"), "{sql}");
        let error = answer.json()["error"].to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn what_fails_later_breaks_the_connection() {
    let page = Page::start(None).await;
    let sql = "SELECT 1 / (value - 250000) FROM generate_series(1, 300000) AS n(value)";
    for format in ["arrow", "csv"] {
        let answer = page.rows(&format!("?format={format}"), "*/*", sql).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.len() > 1_000, "rows came before the failure");
        assert_eq!(whole(&answer), None, "{format}: an end would pass for the whole");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let page = Page::start(None).await;
    let endless = request("?format=arrow", "*/*", "SELECT value FROM generate_series(1, 10000000000) AS n(value)");
    let mut idle = Vec::new();
    for _ in 0..EXPORTS_MAX {
        idle.push(Client::open(page.http.local_addr, &endless).await);
    }
    let ask = || page.rows("?format=csv", "*/*", "SELECT 1");
    for _ in 0..100 {
        if ask().await.status == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask().await.status, 503, "all places are taken");
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if ask().await.status == 200 {
            return;
        }
    }
    panic!("the places of clients that take nothing were not given back");
}
