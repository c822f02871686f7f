//! A session against an exchange on 127.0.0.1: handshake, request, reconnects, refusals.
//!
//! No assertion depends on how long something took; what must not happen again is ruled out by the session's end.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hoga_model::time::SystemClock;
use hoga_model::{Fault, Faulty, Market};
use hoga_upbit::session::{Handler, SessionConfig, SessionState, run};
use hoga_upbit::subscription::Subscription;
use hoga_upbit::{BoxError, UpbitError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_util::sync::CancellationToken;

type Socket = WebSocketStream<TcpStream>;

const TICKER: &str = r#"{"type":"ticker","code":"KRW-BTC","timestamp":1,"stream_type":"SNAPSHOT"}"#;

/// Collects everything; cancels after so many connects.
struct Collected {
    frames: Vec<Bytes>,
    states: Vec<SessionState>,
    cancel: CancellationToken,
    cancel_after_frames: usize,
    cancel_after_losses: usize,
}

impl Collected {
    fn new() -> Collected {
        Collected {
            frames: Vec::new(),
            states: Vec::new(),
            cancel: CancellationToken::new(),
            cancel_after_frames: usize::MAX,
            cancel_after_losses: usize::MAX,
        }
    }

    /// The waits after lost and failed connections.
    fn waits(&self) -> Vec<u64> {
        let wait = |state: &SessionState| match state {
            SessionState::Unreachable { retry_in_ms, .. } | SessionState::Disconnected { retry_in_ms, .. } => {
                Some(*retry_in_ms)
            }
            _ => None,
        };
        self.states.iter().filter_map(wait).collect()
    }
}

impl Handler for Collected {
    fn on_frame(&mut self, frame: Bytes, _recv_ms: i64) -> Result<(), BoxError> {
        self.frames.push(frame);
        if self.frames.len() >= self.cancel_after_frames {
            self.cancel.cancel();
        }
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.states.push(state);
        if self.waits().len() >= self.cancel_after_losses {
            self.cancel.cancel();
        }
    }
}

fn config(url: String) -> SessionConfig {
    let markets = vec![Market::parse("KRW-BTC").unwrap()];
    SessionConfig { url, ..SessionConfig::new(Subscription::all_streams(markets)) }
}

async fn collect(config: SessionConfig, mut collected: Collected) -> (Collected, Result<(), UpbitError>) {
    let cancel = collected.cancel.clone();
    let running = run(config, Arc::new(SystemClock), cancel, &mut collected);
    let answer = tokio::time::timeout(Duration::from_secs(60), running).await.expect("the session must end");
    (collected, answer)
}

/// Serves every connection with `talk`; the answer counts the connections and the headers of the first.
async fn exchange<T, F>(talk: T) -> (String, JoinHandle<()>, tokio::sync::mpsc::UnboundedReceiver<String>)
where
    T: Fn(usize, Socket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/websocket/v1", listener.local_addr().unwrap());
    let (sender, headers) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let mut seen = String::new();
            #[allow(clippy::result_large_err, reason = "tungstenite's type")]
            let note = |request: &Request, response: Response| {
                seen = format!("{} {:?}", request.uri(), request.headers());
                Ok(response)
            };
            let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else { continue };
            sender.send(seen).unwrap();
            talk(connection, socket).await;
        }
    });
    (url, serving, headers)
}

async fn listen(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn it_asks_once_without_an_origin_and_hands_over_binary_frames() {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let (url, serving, mut headers) = exchange(move |_, mut socket| {
        let sender = sender.clone();
        async move {
            sender.send(socket.next().await.unwrap().unwrap()).unwrap();
            socket.send(Message::binary(TICKER)).await.unwrap();
            socket.send(Message::Ping(Bytes::from_static(b"are you there"))).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                sender.send(message.clone()).unwrap();
                if message.is_pong() {
                    socket.send(Message::binary(TICKER)).await.unwrap();
                }
            }
        }
    })
    .await;
    let collected = Collected { cancel_after_frames: 2, ..Collected::new() };
    let (collected, answer) = collect(config(url), collected).await;
    answer.unwrap();
    assert_eq!(collected.frames, [TICKER, TICKER]);
    use SessionState::{Connected, Connecting, Subscribed};
    assert_eq!(collected.states, [Connecting { attempt: 1 }, Connected, Subscribed]);

    let seen = headers.recv().await.unwrap();
    assert!(seen.starts_with("/websocket/v1 ") && !seen.to_lowercase().contains("\"origin\""), "{seen}");
    let Some(Message::Text(request)) = requests.recv().await else { panic!("the request must be text") };
    assert!(request.starts_with(r#"[{"ticket":"hoga-"#), "{request}");
    assert!(request.ends_with(r#"-1"},{"type":"ticker","codes":["KRW-BTC"]},{"type":"trade","codes":["KRW-BTC"]},{"type":"orderbook","codes":["KRW-BTC"]},{"format":"DEFAULT"}]"#), "{request}");
    // it answered the exchange's ping, and said goodbye when it was cancelled
    assert_eq!(requests.recv().await, Some(Message::Pong(Bytes::from_static(b"are you there"))));
    assert!(matches!(requests.recv().await, Some(Message::Close(_))));
    serving.abort();
}

#[tokio::test]
async fn a_silent_exchange_is_left_and_found_again() {
    let (url, serving, _headers) = exchange(|connection, mut socket| async move {
        if connection == 0 {
            // the connection stands, but nobody reads or answers
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(socket);
            });
            return;
        }
        socket.send(Message::binary(TICKER)).await.unwrap();
        listen(socket).await;
    })
    .await;
    let config = SessionConfig {
        ping_interval: Duration::from_millis(20),
        silence_timeout: Duration::from_millis(400),
        ..config(url)
    };
    let (collected, answer) = collect(config, Collected { cancel_after_frames: 1, ..Collected::new() }).await;
    answer.unwrap();
    let first = collected.states.iter().find(|state| matches!(state, SessionState::Disconnected { .. })).unwrap();
    assert!(first.to_string().contains("nothing came for 400 ms, not even the answer to a ping"), "{first}");
    serving.abort();
}

#[tokio::test]
async fn a_refused_request_is_not_repeated() {
    let (url, serving, mut headers) = exchange(|_, mut socket| async move {
        socket.next().await.unwrap().unwrap();
        let error = r#"{"error":{"message":"nope 은 지원하지 않는 타입입니다.","name":"INVALID_PARAM"}}"#;
        socket.send(Message::binary(error)).await.unwrap();
        let _ = socket.close(None).await;
    })
    .await;
    let (collected, answer) = collect(config(url), Collected::new()).await;
    let error = answer.unwrap_err();
    assert_eq!((error.fault(), error.retry()), (Fault::User, false));
    assert_eq!(
        error.to_string(),
        "the exchange refused the subscription: INVALID_PARAM (nope 은 지원하지 않는 타입입니다.); the same request would be \
         refused again, so check the markets and streams"
    );
    assert_eq!(collected.frames.len(), 1, "the error frame itself is handed over");
    assert!(headers.recv().await.is_some());
    assert!(headers.try_recv().is_err(), "one connection only");
    serving.abort();
}

#[tokio::test]
async fn it_comes_back_after_every_close_and_waits_longer_until_data_comes() {
    let (url, serving, _headers) = exchange(|connection, mut socket| async move {
        if connection >= 3 {
            socket.send(Message::binary(TICKER)).await.unwrap();
        }
        let _ = socket.close(None).await;
    })
    .await;
    let (collected, answer) = collect(config(url), Collected { cancel_after_losses: 4, ..Collected::new() }).await;
    answer.unwrap();
    let waits = collected.waits();
    for (wait, range) in waits.iter().zip([200..=400, 400..=800, 800..=1_600, 200..=400]) {
        assert!(range.contains(wait), "{waits:?}");
    }
    assert_eq!(collected.frames.len(), 1);
    let attempts = collected.states.iter().filter_map(|state| match state {
        SessionState::Connecting { attempt } => Some(*attempt),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(
        collected
            .states
            .iter()
            .any(|state| state.to_string().starts_with("the connection was lost: closed by the exchange"))
    );
    serving.abort();
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection() {
    let (url, serving, _headers) = exchange(|_, mut socket| async move {
        let _ = socket.send(Message::binary(vec![b' '; (4 << 20) + 1])).await;
        listen(socket).await;
    })
    .await;
    let (collected, answer) = collect(config(url), Collected { cancel_after_losses: 1, ..Collected::new() }).await;
    answer.unwrap();
    assert!(collected.states.last().unwrap().to_string().contains("too long"), "{:?}", collected.states);
    serving.abort();
}

#[tokio::test]
async fn where_nobody_listens_it_says_so_and_keeps_trying() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("ws://{closed}/");
    let (collected, answer) = collect(config(url), Collected { cancel_after_losses: 2, ..Collected::new() }).await;
    answer.unwrap();
    let said = collected.states[1].to_string();
    assert!(said.starts_with(&format!("cannot reach the exchange: ws://{closed}/: nothing listens there")), "{said}");
    assert_eq!(collected.waits().len(), 2);
}

#[tokio::test]
async fn too_many_connects_ask_for_a_long_wait() {
    for (status, waits) in [("429 Too Many Requests", 10_000..12_500), ("418 I'm a teapot", 120_000..150_000)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
            listen_raw(socket).await;
        });
        let (collected, answer) = collect(config(url), Collected { cancel_after_losses: 1, ..Collected::new() }).await;
        answer.unwrap();
        assert!(waits.contains(&collected.waits()[0]), "{:?}", collected.states);
        assert!(collected.states[1].to_string().contains("too many connects from this address"));
        serving.abort();
    }
}

async fn listen_raw(mut socket: TcpStream) {
    while socket.read_u8().await.is_ok() {}
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = SessionConfig {
        connect_timeout: Duration::from_millis(100),
        ..config(format!("ws://{}/", listener.local_addr().unwrap()))
    };
    let (collected, answer) = collect(config, Collected { cancel_after_losses: 1, ..Collected::new() }).await;
    answer.unwrap();
    assert!(collected.states[1].to_string().contains("no answer within 100 ms"), "{:?}", collected.states);
}

#[tokio::test]
async fn tls_is_spoken_to_wss() {
    // no certificate is at hand; what counts is that the first bytes are a TLS handshake and that its failure is told
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let first = socket.read_u8().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        first
    });
    let (collected, answer) = collect(config(url), Collected { cancel_after_losses: 1, ..Collected::new() }).await;
    answer.unwrap();
    assert_eq!(serving.await.unwrap(), 22, "a TLS handshake record");
    assert!(matches!(collected.states[1], SessionState::Unreachable { .. }), "{:?}", collected.states);
}

#[tokio::test]
async fn mistakes_in_the_configuration_end_it_before_it_connects() {
    for url in ["https://api.upbit.com", "api.upbit.com", "ws://", "wss://a b/"] {
        let (collected, answer) = collect(config(url.to_owned()), Collected::new()).await;
        let error = answer.unwrap_err();
        assert_eq!(error.fault(), Fault::User, "{url}: {error}");
        assert!(collected.states.is_empty(), "{url}");
    }
    let nothing = SessionConfig::new(Subscription::all_streams(Vec::new()));
    assert!(matches!(collect(nothing, Collected::new()).await.1, Err(UpbitError::NoMarkets)));
}

/// Sends so many of the tickers that happen every 5 ms, from the request on, on its own task.
fn keep_sending(mut socket: Socket, began: tokio::time::Instant, frames: u64) {
    tokio::spawn(async move {
        let _ = socket.next().await;
        let first = began.elapsed().as_millis() as u64 / 5 + 1;
        for number in first..first.saturating_add(frames) {
            tokio::time::sleep_until(began + Duration::from_millis(5 * number)).await;
            let frame =
                TICKER.replace("\"timestamp\":1", &format!("\"timestamp\":{number}")).replace("SNAPSHOT", "REALTIME");
            if socket.send(Message::binary(frame)).await.is_err() {
                return;
            }
        }
        let _ = socket.close(None).await;
    });
}

#[tokio::test]
async fn of_two_connections_the_loss_of_one_is_not_a_disconnect_and_frames_come_once() {
    // the second connection is closed after its 20th frame; the first one's frames go on
    let began = tokio::time::Instant::now();
    let (url, serving, _headers) = exchange(move |connection, socket| async move {
        keep_sending(socket, began, if connection == 1 { 20 } else { u64::MAX });
    })
    .await;
    let config = SessionConfig { connections: 2, ..config(url) };
    let stats = config.stats.clone();
    let (collected, answer) = collect(config, Collected { cancel_after_frames: 200, ..Collected::new() }).await;
    answer.unwrap();
    let distinct: std::collections::HashSet<_> = collected.frames.iter().collect();
    assert!(distinct.len() == collected.frames.len() && stats.repeated.load(Relaxed) >= 10, "{stats:?}");
    assert!(stats.lost.load(Relaxed) >= 1);
    assert!(collected.states.iter().any(|state| matches!(state, SessionState::Thinned { live: 1, hole_ms: None, .. })));
    assert!(!collected.states.iter().any(|state| matches!(state, SessionState::Disconnected { .. })));
    serving.abort();
}

#[tokio::test]
async fn a_connection_is_renewed_before_the_old_one_ends() {
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let (url, serving, _headers) = exchange(move |connection, mut socket| {
        let sender = sender.clone();
        async move {
            sender.send(format!("{connection} begins")).unwrap();
            tokio::spawn(async move {
                let _ = socket.next().await;
                socket.send(Message::binary(TICKER)).await.unwrap();
                listen(socket).await;
                let _ = sender.send(format!("{connection} ends"));
            });
        }
    })
    .await;
    let config = SessionConfig {
        age_max: Some(Duration::from_millis(300)),
        ping_interval: Duration::from_millis(20),
        ..config(url)
    };
    let stats = config.stats.clone();
    let collected = Collected::new();
    let cancel = collected.cancel.clone();
    let watching = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.push(ends.recv().await.unwrap());
        }
        cancel.cancel();
        seen
    });
    let (collected, answer) = collect(config, collected).await;
    answer.unwrap();
    assert_eq!(watching.await.unwrap(), ["0 begins", "1 begins", "0 ends", "2 begins"]);
    assert!(stats.renewed.load(Relaxed) >= 1 && stats.lost.load(Relaxed) == 0, "{stats:?}");
    assert_eq!(collected.frames.len(), 1, "a snapshot of what is received tells nothing");
    assert_eq!(collected.waits(), Vec::<u64>::new());
    serving.abort();
}
