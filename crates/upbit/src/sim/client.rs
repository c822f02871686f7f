//! One client's WebSocket: its messages to the hub, the hub's frames to it, until one of them ends it.

use super::hub::{Inbox, Out};
use super::request::{self, Refusal, Request};
use super::server::Shared;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Frames written between two flushes.
const WRITE_FRAMES_MAX: usize = 256;
/// From an error frame to the close frame, as measured on the live host.
const CLOSE_AFTER_ERROR: Duration = Duration::from_millis(150);
/// How long the client's half of the closing handshake is waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves the socket to its end.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    mut inbox: Inbox,
    shared: &Shared,
) {
    let dropped = inbox.dropped.clone();
    let ending = tokio::select! {
        biased;
        // leaving the socket as it is: the client sees the connection end without a close frame (1006)
        () = dropped.cancelled() => Ok(()),
        () = shared.stop.cancelled() => Ok(()),
        ending = converse(&mut socket, &mut inbox, shared) => ending,
    };
    shared.hub().leave(inbox.client);
    if let Err(error) = ending {
        tracing::debug!(client = inbox.client, %error, "a client's socket failed");
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    inbox: &mut Inbox,
    shared: &Shared,
) -> Result<(), Error> {
    let mut silence = shared.silence.subscribe();
    let mut batch = Vec::with_capacity(WRITE_FRAMES_MAX);
    let mut active = Instant::now();
    loop {
        if *silence.borrow_and_update() {
            // nothing is read either, so that pings stay without an answer
            if silence.changed().await.is_err() {
                return Ok(());
            }
            active = Instant::now();
            continue;
        }
        tokio::select! {
            biased;
            changed = silence.changed() => if changed.is_err() { return Ok(()) },
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                active = Instant::now();
                if handle(message?, socket, inbox, shared).await?.is_break() {
                    return Ok(());
                }
            }
            count = inbox.receiver.recv_many(&mut batch, WRITE_FRAMES_MAX) => {
                if count == 0 || write(&mut batch, socket, inbox).await?.is_break() {
                    return close(socket).await;
                }
                active = Instant::now();
            }
            () = tokio::time::sleep_until(active + shared.idle_timeout) => {
                tracing::info!(client = inbox.client, "an idle socket is dropped: no frame and no ping for too long");
                return Ok(());
            }
        }
    }
}

/// Sends what was queued; breaks when the socket is to be closed.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    batch: &mut Vec<Out>,
    socket: &mut WebSocketStream<S>,
    inbox: &Inbox,
) -> Result<ControlFlow<()>, Error> {
    let mut bytes = 0;
    let mut flow = ControlFlow::Continue(());
    for out in batch.drain(..) {
        match out {
            Out::Frame(frame) => {
                bytes += frame.len();
                socket.feed(Message::Binary(frame)).await?;
            }
            Out::Close => flow = ControlFlow::Break(()),
            Out::Fail(frame) => {
                socket.send(Message::Binary(frame)).await?;
                tokio::time::sleep(CLOSE_AFTER_ERROR).await;
                flow = ControlFlow::Break(());
            }
        }
    }
    socket.flush().await?;
    inbox.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
    Ok(flow)
}

/// Does what a client's message asks for; breaks when the conversation is over.
async fn handle<S: AsyncRead + AsyncWrite + Unpin>(
    message: Message,
    socket: &mut WebSocketStream<S>,
    inbox: &Inbox,
    shared: &Shared,
) -> Result<ControlFlow<()>, Error> {
    let text = match message {
        Message::Text(text) => Bytes::from(text),
        Message::Binary(bytes) => bytes,
        // pings are answered below us, and so is a close frame
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_) => {
            socket.flush().await?;
            return Ok(ControlFlow::Continue(()));
        }
    };
    match request::parse(&text) {
        Ok(Request::Ping) => socket.send(Message::Binary(Bytes::from_static(b"{\"status\":\"UP\"}"))).await?,
        Ok(Request::ListSubscriptions { ticket }) => shared.hub().list_subscriptions(inbox.client, &ticket),
        Ok(Request::Subscribe(subscription)) => {
            let now_ms = shared.clock.now_ms();
            shared.hub().subscribe(inbox.client, subscription, now_ms);
        }
        Err(refusal) => {
            refuse(refusal, socket, inbox, shared).await?;
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    Refusal { name, message }: Refusal,
    socket: &mut WebSocketStream<S>,
    inbox: &Inbox,
    shared: &Shared,
) -> Result<(), Error> {
    shared.hub().leave(inbox.client);
    let frame = json!({"error": {"name": name, "message": message}}).to_string();
    socket.send(Message::Binary(frame.into())).await?;
    tokio::time::sleep(CLOSE_AFTER_ERROR).await;
    close(socket).await
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> Result<(), Error> {
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await?;
    let answered = async { while socket.next().await.is_some_and(|message| message.is_ok()) {} };
    // a client that does not answer is left alone: the socket ends with this task
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, answered).await;
    Ok(())
}
