//! One conversation over a pipe in memory, in paused time: nothing here waits, and no moment is left to chance.
//! The sockets, the handshake and the reconnects are in `tests/session.rs`.
#![allow(clippy::unwrap_used, reason = "tests")]

use futures::{SinkExt, StreamExt};
use hoga_model::time::ManualClock;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::conversation::{Conversation, Ended};
use super::line::Line;
use super::*;

/// What the handler was told, in order.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    frames: usize,
    fail_at: Option<usize>,
}

impl Handler for Notes {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        self.frames += 1;
        self.lines.push(format!("{recv_ms} {}", String::from_utf8_lossy(&frame)));
        if self.fail_at == Some(self.frames) { Err("the disk is full".into()) } else { Ok(()) }
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        self.lines.push("idle".to_owned());
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.lines.push(state.to_string());
    }
}

struct Rig {
    notes: Notes,
    silent: Vec<Market>,
    cancel: CancellationToken,
    config: SessionConfig,
}

impl Rig {
    fn new(codes: &[&str]) -> Rig {
        let markets = codes.iter().map(|code| Market::parse(code).unwrap()).collect();
        Rig {
            notes: Notes::default(),
            silent: Vec::new(),
            cancel: CancellationToken::new(),
            config: SessionConfig::new(Subscription::all_streams(markets)),
        }
    }

    /// Runs one connection against `exchange`; the answer, and how many seconds it took.
    async fn hold<E, F>(&mut self, exchange: E) -> (Result<Ended, UpbitError>, u64)
    where
        E: FnOnce(WebSocketStream<DuplexStream>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let mut exchange = tokio::spawn(exchange(theirs));
        let started = Instant::now();
        let conversation = Conversation {
            config: &self.config,
            markets: &self.config.subscription.markets,
            line: &Line::default(),
            clock: &ManualClock::at(5),
            cancel: &self.cancel,
            handler: &mut self.notes,
            silent: &mut self.silent,
        };
        let ended = conversation.hold(ours, "request".to_owned()).await;
        let seconds = started.elapsed().as_secs();
        // it may still have to read what we sent last
        match tokio::time::timeout(Duration::from_secs(1), &mut exchange).await {
            Ok(finished) => finished.unwrap(),
            Err(_elapsed) => exchange.abort(),
        }
        (ended, seconds)
    }
}

fn lost(ended: Result<Ended, UpbitError>) -> (String, bool) {
    match ended {
        Ok(Ended::Lost { reason, had_data, .. }) => (reason, had_data),
        Ok(Ended::Cancelled) => panic!("cancelled"),
        Err(error) => panic!("{error}"),
    }
}

fn ticker(code: &str) -> Message {
    Message::binary(format!(r#"{{"type":"ticker","code":"{code}","timestamp":1,"stream_type":"SNAPSHOT"}}"#))
}

/// Reads (and so answers pings) for ever.
async fn listen(mut socket: WebSocketStream<DuplexStream>) {
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test(start_paused = true)]
async fn frames_come_in_batches_and_idle_follows_the_last_one_that_is_ready() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (ended, _) = rig
        .hold(|mut socket| async move {
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("request"));
            for frame in ["a", "b", "c"] {
                socket.feed(Message::binary(frame.as_bytes())).await.unwrap();
            }
            socket.flush().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            socket.send(Message::text("text too")).await.unwrap();
            socket.close(None).await.unwrap();
        })
        .await;
    assert_eq!(lost(ended), ("closed by the exchange".to_owned(), false));
    assert_eq!(rig.notes.lines, ["the request is sent", "5 a", "5 b", "5 c", "idle", "5 text too", "idle"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_flushed_when_it_is_full_though_more_is_ready() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    let count = FRAMES_PER_BATCH_MAX * 2 + 10;
    let (ended, _) = rig
        .hold(move |mut socket| async move {
            for _ in 0..count {
                socket.feed(Message::binary(&b"x"[..])).await.unwrap();
            }
            socket.close(None).await.unwrap();
        })
        .await;
    lost(ended);
    assert_eq!(rig.notes.frames, count);
    let frames = |lines: &[String]| lines.iter().filter(|line| *line == "5 x").count();
    let longest = rig.notes.lines.split(|line| line == "idle").map(frames).max();
    assert_eq!(longest, Some(FRAMES_PER_BATCH_MAX));
    assert_eq!(rig.notes.lines.last().map(String::as_str), Some("idle"));
}

#[tokio::test(start_paused = true)]
async fn silence_for_25_seconds_ends_a_connection_though_pings_were_sent() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    // it keeps the socket open and never reads: no pong
    let (ended, seconds) = rig
        .hold(|socket| async move {
            std::future::pending::<()>().await;
            drop(socket)
        })
        .await;
    assert_eq!(lost(ended), ("nothing came for 25 s, not even the answer to a ping".to_owned(), false));
    assert_eq!(seconds, 25);
}

#[tokio::test(start_paused = true)]
async fn pongs_keep_a_quiet_connection_and_pings_come_every_10_seconds() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (sender, mut pings) = tokio::sync::mpsc::unbounded_channel();
    let cancel = rig.cancel.clone();
    let (ended, seconds) = rig
        .hold(move |mut socket| async move {
            let started = Instant::now();
            socket.send(ticker("KRW-BTC")).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_ping() {
                    sender.send(started.elapsed().as_secs()).unwrap();
                    if started.elapsed().as_secs() >= 100 {
                        cancel.cancel();
                    }
                }
            }
        })
        .await;
    assert!(matches!(ended, Ok(Ended::Cancelled)));
    assert_eq!(seconds, 100);
    let mut times = Vec::new();
    while let Some(time) = pings.recv().await {
        times.push(time);
    }
    assert_eq!(times, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[tokio::test(start_paused = true)]
async fn markets_without_data_are_named_once() {
    let mut rig = Rig::new(&["KRW-SOL", "KRW-BTC", "KRW-OLD"]);
    let cancel = rig.cancel.clone();
    let speak = |cancel: CancellationToken| {
        move |mut socket: WebSocketStream<DuplexStream>| async move {
            socket.send(ticker("KRW-BTC")).await.unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                cancel.cancel();
            });
            listen(socket).await;
        }
    };
    let (ended, seconds) = rig.hold(speak(cancel)).await;
    assert!(matches!(ended, Ok(Ended::Cancelled)));
    assert_eq!(seconds, 60);
    let complaints = |notes: &Notes| notes.lines.iter().filter(|line| line.starts_with("no data")).count();
    assert_eq!(complaints(&rig.notes), 1);
    assert!(
        rig.notes.lines.contains(
            &"no data from KRW-OLD, KRW-SOL; the exchange does not say why: not listed, or nothing happens there"
                .to_owned()
        )
    );
    // the same silence on the next connection is no news
    rig.cancel = CancellationToken::new();
    let cancel = rig.cancel.clone();
    assert!(matches!(rig.hold(speak(cancel)).await.0, Ok(Ended::Cancelled)));
    assert_eq!(complaints(&rig.notes), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_frame_is_handed_over_flushed_and_ends_it_whenever_it_comes() {
    for (before, frame) in [
        (None, r#"{"error":{"name":"WRONG_FORMAT","message":"Format 이 맞지 않습니다."}}"#),
        (Some(ticker("KRW-BTC")), r#"[{"error":{"message":"Format 이 맞지 않습니다.","name":"WRONG_FORMAT"}}]"#),
    ] {
        let mut rig = Rig::new(&["KRW-BTC"]);
        let (ended, _) = rig
            .hold(move |mut socket| async move {
                if let Some(before) = before {
                    socket.send(before).await.unwrap();
                }
                socket.send(Message::binary(frame.as_bytes())).await.unwrap();
                listen(socket).await;
            })
            .await;
        let Err(UpbitError::Refused { name, message }) = ended else { panic!("{frame}") };
        assert_eq!((name.as_str(), message.as_str()), ("WRONG_FORMAT", "Format 이 맞지 않습니다."));
        assert_eq!(rig.notes.lines.last().map(String::as_str), Some("idle"));
        assert!(rig.notes.lines.iter().any(|line| line.ends_with(frame)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_ends_it() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    rig.notes.fail_at = Some(2);
    let (ended, _) = rig
        .hold(|mut socket| async move {
            for _ in 0..3 {
                socket.send(ticker("KRW-BTC")).await.unwrap();
            }
            listen(socket).await;
        })
        .await;
    let Err(UpbitError::Handler(error)) = ended else { panic!("it must end") };
    assert_eq!(error.to_string(), "the disk is full");
    assert_eq!(rig.notes.frames, 2);
}

#[tokio::test(start_paused = true)]
async fn cancelling_says_goodbye() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    rig.cancel.cancel();
    let (sender, received) = tokio::sync::oneshot::channel();
    let (ended, _) = rig
        .hold(|mut socket| async move {
            let mut got = Vec::new();
            while let Some(Ok(message)) = socket.next().await {
                got.push(message);
            }
            sender.send(got).unwrap();
        })
        .await;
    assert!(matches!(ended, Ok(Ended::Cancelled)));
    let got = received.await.unwrap();
    assert!(matches!(got.as_slice(), [Message::Text(request), Message::Close(_)] if *request == "request"), "{got:?}");
}

#[test]
fn a_session_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let mut notes = Notes::default();
    let config = SessionConfig::new(Subscription::all_streams(Vec::new()));
    is_send(&run(config, Arc::new(ManualClock::at(0)), CancellationToken::new(), &mut notes));
}

#[test]
fn states_read_as_sentences() {
    let unreachable =
        SessionState::Unreachable { reason: "ws://x: nothing listens there".to_owned(), retry_in_ms: 2_345 };
    assert_eq!(unreachable.to_string(), "cannot reach the exchange: ws://x: nothing listens there; next try in 2.3 s");
    assert_eq!(SessionState::Connecting { attempt: 3 }.to_string(), "connecting to the exchange, attempt 3");
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_dead_while_pings_are_answered_end_the_connection() {
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (ended, seconds) = rig
        .hold(|mut socket| async move {
            for _ in 0..1_200 {
                socket.send(ticker("KRW-BTC")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            listen(socket).await;
        })
        .await;
    assert!(matches!(&ended, Ok(Ended::Lost { loss: Loss::Stall, .. })));
    assert_eq!(lost(ended), ("no data came for 5.0 s, though pings are answered".to_owned(), true));
    assert!((16..=17).contains(&seconds), "{seconds}");
    // a quiet market is let alone for two minutes, one that never sent anything for half of one
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (_, seconds) = rig
        .hold(|mut socket| async move {
            socket.send(ticker("KRW-BTC")).await.unwrap();
            listen(socket).await;
        })
        .await;
    assert_eq!(seconds, 120);
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (_, seconds) = rig.hold(listen).await;
    assert_eq!(seconds, 30);
}

#[tokio::test(start_paused = true)]
async fn an_error_after_data_is_a_lost_connection_and_before_it_a_refusal() {
    let error = r#"{"error":{"message":"x","name":"INTERNAL_ERROR"}}"#;
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (ended, _) = rig
        .hold(move |mut socket| async move {
            socket.send(ticker("KRW-BTC")).await.unwrap();
            socket.send(Message::binary(error)).await.unwrap();
            listen(socket).await;
        })
        .await;
    assert!(matches!(&ended, Ok(Ended::Lost { loss: Loss::Error, .. })));
    assert_eq!(lost(ended), ("the exchange sent an error: INTERNAL_ERROR (x)".to_owned(), true));
    let mut rig = Rig::new(&["KRW-BTC"]);
    let (ended, _) = rig
        .hold(move |mut socket| async move {
            socket.send(Message::binary(error)).await.unwrap();
            listen(socket).await;
        })
        .await;
    assert!(matches!(ended, Err(UpbitError::Refused { .. })));
}
