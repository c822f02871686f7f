//! The topic view's routes over a log in memory: what is found, where a search stops, what a slow reader misses.

use hoga_serve::Secret;
use hoga_serve::http::topics::{
    Group, GroupKind, GroupOffset, LIVE_BACKLOG_RECORDS_MAX, LIVE_MESSAGES_MAX, LIVE_STREAMS_MAX, MESSAGES_MAX, Member,
    SEARCH_BYTES_MAX, TopicPartition,
};
use serde_json::{Value, json};

use super::client::{Client, get, send};
use super::{NOON, Page, TOKEN};
use crate::topic_log::TopicLog;

const MARKETS: [&str; 3] = ["KRW-BTC", "KRW-ETH", "KRW-XRP"];

/// `count` messages, one a millisecond, in turns over three partitions, each with the key of its partition.
fn fill(log: &TopicLog, count: usize) {
    log.create("upbit-trade", 3);
    for n in 0..count {
        let value = format!(r#"{{"code":"{}","sequential_id":{}}}"#, MARKETS[n % 3], 17_853_950_437_790_000 + n);
        log.append("upbit-trade", n % 3, NOON + n as i64, Some(MARKETS[n % 3]), value, &[]);
    }
}

async fn messages(page: &Page, query: &str) -> Value {
    let answer = page.get(&format!("/api/topics/upbit-trade/messages?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

/// Timestamps, counted from noon.
fn times(answer: &Value) -> Vec<i64> {
    let messages = answer["messages"].as_array().expect("an array");
    messages.iter().map(|message| message["timestamp"].as_i64().expect("a number") - NOON).collect()
}

#[tokio::test]
async fn topics_and_groups_with_their_numbers() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 10);
    page.topic_log.forget_before("upbit-trade", 0, 2);
    page.topic_log.create("upbit-dead-letter", 1);
    let member = Member {
        member_id: "rdkafka-1".to_owned(),
        client_id: "rdkafka".to_owned(),
        host: "/127.0.0.1".to_owned(),
        assigned: vec![TopicPartition { topic: "upbit-trade".to_owned(), partition: 1 }],
    };
    let offset = |partition, committed_offset, end_offset| GroupOffset {
        topic: "upbit-trade".to_owned(),
        partition,
        committed_offset,
        end_offset,
    };
    page.topic_log.groups.lock().expect("a lock").push(Group {
        name: "analysts".to_owned(),
        kind: GroupKind::Consumer,
        state: "Stable".to_owned(),
        protocol: Some("range".to_owned()),
        members: vec![member],
        // a committed offset can lie beyond the end: somebody made the topic anew
        offsets: vec![offset(0, 1, 4), offset(1, 2, 3), offset(2, 9, 3)],
    });

    let topics = page.get("/api/topics").await.json();
    assert_eq!(topics["topics"][0]["name"], "upbit-dead-letter");
    let trade = &topics["topics"][1];
    assert_eq!((&trade["partitions"], &trade["records"]), (&json!(3), &json!(8)), "2 of 10 are gone");
    assert_eq!((&trade["retention_ms"], &trade["rate_per_s"]), (&json!(604_800_000), &json!(12.5)));
    let trade = page.get("/api/topics/upbit-trade").await.json();
    let first = &trade["partitions"][0];
    assert_eq!((&first["start_offset"], &first["end_offset"]), (&json!(2), &json!(4)));

    let groups = page.get("/api/groups").await.json();
    let group = &groups["groups"][0];
    assert_eq!((&group["kind"], &group["lag"]), (&json!("consumer"), &json!(4)));
    assert_eq!(group["members"][0]["assigned"], json!([{ "topic": "upbit-trade", "partition": 1 }]));
    for path in ["/api/topics/none", "/api/topics/none/messages", "/api/topics/none/live"] {
        let answer = page.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"].as_str().is_some_and(|reason| reason.contains("\"none\"")), "{path}");
    }
}

#[tokio::test]
async fn messages_are_found_from_both_ends_and_in_the_middle() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 300);
    let newest = messages(&page, "limit=4").await;
    assert_eq!(times(&newest), [299, 298, 297, 296]);
    assert_eq!(newest["stopped"], "limit");
    let message = &newest["messages"][0];
    assert_eq!((&message["partition"], &message["offset"]), (&json!(2), &json!(99)));
    assert_eq!(message["key"], json!({ "text": "KRW-XRP", "bytes": 7, "binary": false, "clipped": false }));
    assert_eq!(message["value"]["text"], r#"{"code":"KRW-XRP","sequential_id":17853950437790299}"#);

    assert_eq!(times(&messages(&page, "from=oldest&limit=4").await), [0, 1, 2, 3]);
    assert_eq!(times(&messages(&page, "from=oldest&limit=3&partition=1").await), [1, 4, 7]);
    assert_eq!(times(&messages(&page, "from=offset:98").await), [294, 295, 296, 297, 298, 299]);
    assert_eq!(times(&messages(&page, &format!("from=time:{}&limit=3", NOON + 100)).await), [100, 101, 102]);
    assert_eq!(times(&messages(&page, &format!("from=time:{}", NOON + 300)).await), [0_i64; 0]);
    assert_eq!(times(&messages(&page, "from=offset:1000").await), [0_i64; 0]);

    page.topic_log.forget_before("upbit-trade", 0, 90);
    assert_eq!(times(&messages(&page, "from=oldest&limit=2&partition=0").await), [270, 273]);
    assert_eq!(times(&messages(&page, "from=offset:5&limit=1&partition=0").await), [270]);
}

#[tokio::test]
async fn a_search_goes_on_where_the_last_one_stopped() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 1_000);
    for (from, expected) in
        [("oldest", (0..1_000).collect::<Vec<i64>>()), ("newest", (0..1_000).rev().collect::<Vec<i64>>())]
    {
        let (mut seen, mut from, mut answers) = (Vec::new(), from.to_owned(), 0);
        loop {
            let answer = messages(&page, &format!("from={from}&limit=77")).await;
            seen.extend(times(&answer));
            answers += 1;
            let Some(next) = answer["next"].as_str() else {
                assert_eq!(answer["stopped"], "end");
                break;
            };
            from = next.to_owned();
        }
        assert_eq!(seen, expected, "each once and in order, {from}");
        assert_eq!(answers, 13, "{from}");
    }
}

#[tokio::test]
async fn filters_by_key_and_text() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 900);
    let of_key = messages(&page, "key=KRW-ETH&limit=500").await;
    assert_eq!(times(&of_key).len(), 300);
    assert!(of_key["messages"].as_array().expect("an array").iter().all(|message| message["key"]["text"] == "KRW-ETH"));
    assert_eq!(of_key["searched_records"], 900);
    assert_eq!(times(&messages(&page, "key=KRW-ET").await), [0_i64; 0], "the whole key");
    assert_eq!(times(&messages(&page, "contains=17853950437790123").await), [123]);
    assert_eq!(times(&messages(&page, "contains=17853950437790123&key=KRW-ETH").await), [0_i64; 0]);
    assert_eq!(times(&messages(&page, "contains=%22code%22&limit=2&from=oldest").await), [0, 1]);
}

#[tokio::test]
async fn a_search_ends_even_if_nothing_is_found() {
    let page = Page::start(None).await;
    let size = 16 << 10;
    let count = SEARCH_BYTES_MAX as usize * 5 / 4 / size;
    page.topic_log.create("upbit-trade", 2);
    for n in 0..count {
        let text = if n == 1 { "needle" } else { "" };
        let value = format!("{}{text}", "x".repeat(size));
        page.topic_log.append("upbit-trade", n % 2, NOON + n as i64, None, value, &[]);
    }
    for from in ["newest", "oldest"] {
        let first = messages(&page, &format!("from={from}&contains=needle&partition=1")).await;
        assert_eq!((times(&first), &first["stopped"]), (vec![1], &json!("end")), "half of it is within the limit");
        let first = messages(&page, &format!("from={from}&contains=nothing")).await;
        assert_eq!((times(&first), &first["stopped"]), (vec![], &json!("bytes")), "{from}");
        let searched = first["searched_bytes"].as_u64().expect("a number");
        assert!((SEARCH_BYTES_MAX..SEARCH_BYTES_MAX + (9 << 20)).contains(&searched), "{from}: {searched}");
        let rest =
            messages(&page, &format!("from={}&contains=nothing", first["next"].as_str().expect("a place"))).await;
        assert_eq!((times(&rest), &rest["stopped"], &rest["next"]), (vec![], &json!("end"), &Value::Null), "{from}");
    }
}

#[tokio::test]
async fn what_is_long_or_no_text_is_shown_in_part() {
    let page = Page::start(None).await;
    page.topic_log.create("upbit-trade", 1);
    page.topic_log.append("upbit-trade", 0, NOON, None, vec![0xff; 10], &[]);
    page.topic_log.append("upbit-trade", 0, NOON + 1, Some("k"), "가".repeat(100_000), &[("error.reason", "호가")]);
    let answer = messages(&page, "from=oldest").await;
    let binary = &answer["messages"][0];
    assert_eq!(binary["value"], json!({ "text": "ff".repeat(10), "bytes": 10, "binary": true, "clipped": false }));
    assert_eq!(binary["key"], Value::Null);
    let long = &answer["messages"][1];
    assert_eq!((&long["value"]["bytes"], &long["value"]["clipped"]), (&json!(300_000), &json!(true)));
    assert_eq!(
        (&long["headers"][0]["name"], &long["headers"][0]["value"]["text"]),
        (&json!("error.reason"), &json!("호가"))
    );

    // an answer has a limit, however many are asked for
    for n in 0..200 {
        page.topic_log.append("upbit-trade", 0, NOON + n, None, "x".repeat(60_000), &[]);
    }
    let answer = page.get(&format!("/api/topics/upbit-trade/messages?limit={MESSAGES_MAX}")).await;
    assert!((1 << 20..5 << 20).contains(&answer.body.len()), "{} bytes", answer.body.len());
    assert_eq!((&answer.json()["stopped"], answer.json()["next"].is_string()), (&json!("limit"), true));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 3);
    for bad in [
        "limit=0",
        "limit=501",
        "limit=x",
        "from=latest",
        "from=offset:-1",
        "from=up:0",
        "partition=-1",
        "unknown=1",
        &format!("key={}", "k".repeat(1_025)),
    ] {
        assert_eq!(page.get(&format!("/api/topics/upbit-trade/messages?{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(page.get("/api/topics/upbit-trade/messages?partition=3").await.status, 404);
    assert_eq!(page.get("/api/topics/upbit-trade/live?partition=3").await.status, 404);
    assert_eq!(page.get("/api/topics/%2e%2e%2fetc/messages").await.status, 404);
}

#[tokio::test]
async fn only_who_has_the_token_looks_into_the_log() {
    let page = Page::start(Some(Secret::new(TOKEN))).await;
    fill(&page.topic_log, 3);
    for path in [
        "/api/topics",
        "/api/topics/upbit-trade",
        "/api/topics/upbit-trade/messages",
        "/api/topics/upbit-trade/live",
        "/api/groups",
    ] {
        assert_eq!(page.get(path).await.status, 401, "{path}");
        let with_token = format!("{}Authorization: Bearer {TOKEN}\r\nSec-Fetch-Site: cross-site\r\n", get(path));
        assert_eq!(send(page.http.local_addr, &with_token).await.status, 403, "{path} for another site");
    }
    let answer = send(page.http.local_addr, &format!("{}Authorization: Bearer {TOKEN}\r\n", get("/api/topics"))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn live_messages_arrive_with_their_filter() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 30);
    let path = "/api/topics/upbit-trade/live?key=KRW-BTC";
    let mut live = Client::open(page.http.local_addr, &get(path)).await;
    let first = live.event("messages").await;
    assert_eq!(times(&first), [27, 24, 21, 18, 15, 12, 9, 6, 3, 0], "it begins with the newest ones");
    assert_eq!((&first["dropped"], &first["older"]), (&json!(0), &Value::Null));
    page.topic_log.append("upbit-trade", 0, NOON + 100, Some("KRW-BTC"), "1", &[]);
    page.topic_log.append("upbit-trade", 1, NOON + 101, Some("KRW-ETH"), "2", &[]);
    page.topic_log.append("upbit-trade", 2, NOON + 102, Some("KRW-BTC"), "3", &[]);
    let next = live.event("messages").await;
    assert_eq!((times(&next), &next["dropped"], next.get("older")), (vec![102, 100], &json!(0), None));

    page.cancel.cancel();
    live.end().await;
}

#[tokio::test]
async fn what_a_live_view_cannot_show_is_counted() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 0);
    let mut live = Client::open(page.http.local_addr, &get("/api/topics/upbit-trade/live")).await;
    assert_eq!(times(&live.event("messages").await), [0_i64; 0]);
    // the test's runtime has one thread, so that all of these are there before the next beat
    let appended = LIVE_BACKLOG_RECORDS_MAX + 1_000;
    for n in 0..appended {
        page.topic_log.append("upbit-trade", 0, NOON + n, Some("KRW-BTC"), "x", &[]);
    }
    let (mut shown, mut dropped) = (0, 0);
    while shown + dropped < appended {
        let event = live.event("messages").await;
        assert!(times(&event).len() <= LIVE_MESSAGES_MAX);
        shown += times(&event).len() as i64;
        dropped += event["dropped"].as_i64().expect("a number");
        assert_eq!(times(&event)[0], appended - 1, "the newest is shown");
    }
    assert_eq!(shown + dropped, appended, "each is shown or counted");
}

#[tokio::test]
async fn a_live_view_too_many_is_refused() {
    let page = Page::start(None).await;
    fill(&page.topic_log, 1);
    let mut open = Vec::new();
    for _ in 0..LIVE_STREAMS_MAX {
        let mut live = Client::open(page.http.local_addr, &get("/api/topics/upbit-trade/live")).await;
        live.event("messages").await;
        open.push(live);
    }
    assert_eq!(page.get("/api/topics/upbit-trade/live").await.status, 503);
    assert_eq!(page.get("/api/topics/upbit-trade/messages").await.status, 200, "a search is still possible");
}
