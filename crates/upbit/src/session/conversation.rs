//! One connection, from the request to its end: reads frames in batches, pings, watches for silence.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use hoga_model::Market;
use hoga_model::time::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage};
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::watch::Watch;
use super::{
    FRAMES_PER_BATCH_MAX, Handler, Loss, NO_DATA_TIMEOUT, STALL_FRAMES, STALL_TIMEOUT_MAX, STALL_TIMEOUT_MIN,
    SessionConfig, SessionState,
};
use crate::error::{UpbitError, cause_chain, in_words};
use crate::frame::{Message, read_frame};

/// For a request or a ping to be taken by the network.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// For a closing frame: a courtesy that must not hold up a shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// What Upbit documents as faults of the request (websocket-error).
const REQUEST_ERRORS: [&str; 6] = ["INVALID_AUTH", "WRONG_FORMAT", "NO_TICKET", "NO_TYPE", "NO_CODES", "INVALID_PARAM"];
/// An error frame has ~100 bytes. Longer frames are not searched for one.
const ERROR_FRAME_BYTES_MAX: usize = 4_096;

pub(super) enum Ended {
    Cancelled,
    Lost {
        loss: Loss,
        reason: String,
        /// It brought at least one ticker, trade or book.
        had_data: bool,
    },
}

pub(super) struct Conversation<'a> {
    pub(super) config: &'a SessionConfig,
    /// Those that this connection asks for.
    pub(super) markets: &'a [Market],
    pub(super) line: &'a Line,
    pub(super) clock: &'a dyn Clock,
    pub(super) cancel: &'a CancellationToken,
    pub(super) handler: &'a mut dyn Handler,
    /// The silent markets that were reported last; it outlives the connection.
    pub(super) silent: &'a mut Vec<Market>,
}

/// What happens next on a connection.
enum Step {
    Read(Option<Result<WsMessage, Error>>),
    Timer,
    Cancelled,
}

impl Conversation<'_> {
    /// Sends the request and stays until the connection, the exchange's patience or the caller's wish ends it.
    pub(super) async fn hold<S>(mut self, mut socket: WebSocketStream<S>, request: String) -> Result<Ended, UpbitError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut progress = Progress::start(self.config, self.markets);
        let ended = self.converse(&mut socket, request, &mut progress).await;
        // whatever ended it: what was handed over is flushed, and the other side hears that we go
        let flushed = self.flush(&mut progress);
        let close = tokio::time::timeout(CLOSE_TIMEOUT, socket.close(None)).await;
        tracing::debug!(?close, "closing frame");
        let ended = ended?;
        flushed?;
        Ok(match ended {
            Some((loss, reason)) => Ended::Lost { loss, reason, had_data: progress.had_data },
            None => Ended::Cancelled,
        })
    }

    /// `None` if it was cancelled, else why the connection is over.
    async fn converse<S>(
        &mut self,
        socket: &mut WebSocketStream<S>,
        request: String,
        progress: &mut Progress,
    ) -> Result<Option<(Loss, String)>, UpbitError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Err(reason) = send("the request", socket.send(WsMessage::text(request))).await {
            return Ok(Some((Loss::Disconnect, reason)));
        }
        self.handler.on_state(SessionState::Subscribed);
        loop {
            match self.next_step(socket, progress).await? {
                Step::Cancelled => return Ok(None),
                Step::Timer => {
                    if let Some(lost) = self.timer(socket, progress).await {
                        return Ok(Some(lost));
                    }
                }
                Step::Read(read) => {
                    progress.last_heard = Instant::now();
                    let lost = match read {
                        Some(Ok(WsMessage::Binary(frame))) => self.take(frame, progress)?,
                        Some(Ok(WsMessage::Text(text))) => self.take(text.into(), progress)?,
                        Some(Ok(WsMessage::Close(close))) => Some((Loss::Disconnect, closed_by_the_exchange(close))),
                        Some(Ok(WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_))) => {
                            self.line.note_heard(self.clock.now_ms());
                            None
                        }
                        Some(Err(error)) => Some((Loss::Disconnect, cause_chain(&error))),
                        None => Some((Loss::Disconnect, "the exchange hung up".to_owned())),
                    };
                    if lost.is_some() {
                        return Ok(lost);
                    }
                }
            }
        }
    }

    /// Takes what is ready without waiting; before it waits, or after a full batch, the handler may flush.
    async fn next_step<S>(
        &mut self,
        socket: &mut WebSocketStream<S>,
        progress: &mut Progress,
    ) -> Result<Step, UpbitError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if progress.unflushed < FRAMES_PER_BATCH_MAX
            && let Some(read) = socket.next().now_or_never()
        {
            return Ok(Step::Read(read));
        }
        self.flush(progress)?;
        let wake = progress.wake(self.config);
        Ok(tokio::select! {
            biased;
            () = self.cancel.cancelled() => Step::Cancelled,
            () = tokio::time::sleep_until(wake) => Step::Timer,
            read = socket.next() => Step::Read(read),
        })
    }

    fn flush(&mut self, progress: &mut Progress) -> Result<(), UpbitError> {
        if progress.unflushed > 0 {
            progress.unflushed = 0;
            self.handler.on_idle().map_err(UpbitError::Handler)?;
        }
        Ok(())
    }

    /// Hands a frame over. An error frame about the request, or before any data, is a refusal; another one is a connection lost: the same
    /// request has worked.
    fn take(&mut self, frame: Bytes, progress: &mut Progress) -> Result<Option<(Loss, String)>, UpbitError> {
        let recv_ms = self.clock.now_ms();
        let refused = progress.notice(&frame);
        self.line.note_heard(recv_ms);
        if progress.last_data == progress.last_heard {
            self.line.note_data(recv_ms);
            if !progress.watch.is_open() {
                self.line.note_settled(recv_ms, true);
            }
        }
        progress.unflushed += 1;
        self.handler.on_frame(frame, recv_ms).map_err(UpbitError::Handler)?;
        match refused {
            Some((name, message)) if progress.had_data && !REQUEST_ERRORS.contains(&&*name) => {
                Ok(Some((Loss::Error, format!("the exchange sent an error: {name} ({message})"))))
            }
            Some((name, message)) => Err(UpbitError::Refused { name, message }),
            None => Ok(None),
        }
    }

    /// Does what is due; a reason if the connection must be given up.
    async fn timer<S>(&mut self, socket: &mut WebSocketStream<S>, progress: &mut Progress) -> Option<(Loss, String)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = Instant::now();
        if now >= progress.last_heard + self.config.silence_timeout {
            let silence = in_words(self.config.silence_timeout.as_millis() as u64);
            return Some((Loss::Silence, format!("nothing came for {silence}, not even the answer to a ping")));
        }
        if now >= progress.last_data + progress.stall_timeout {
            let stall = in_words(progress.stall_timeout.as_millis() as u64);
            return Some((Loss::Stall, format!("no data came for {stall}, though pings are answered")));
        }
        if progress.snapshots_due.is_some_and(|due| now >= due) {
            progress.snapshots_due = None;
            let silent = progress.watch.close();
            if progress.had_data {
                self.line.note_settled(self.clock.now_ms(), silent.is_empty());
            }
            if !silent.is_empty() && silent != *self.silent {
                self.handler.on_state(SessionState::SilentMarkets(silent.clone()));
            }
            *self.silent = silent;
        }
        if now >= progress.next_ping {
            progress.next_ping = now + self.config.ping_interval;
            progress.measure(self.config.ping_interval);
            let sent = send("a ping", socket.send(WsMessage::Ping(Bytes::new()))).await;
            return sent.err().map(|reason| (Loss::Disconnect, reason));
        }
        None
    }
}

/// How far one connection has come.
struct Progress {
    last_heard: Instant,
    last_data: Instant,
    /// How long no data may come; see [`STALL_FRAMES`].
    stall_timeout: Duration,
    /// Frames with data since the last ping, and how many usually come in a second.
    data_frames: u32,
    frames_per_second: Option<f64>,
    next_ping: Instant,
    /// When markets that are still silent get reported; `None` once that is done.
    snapshots_due: Option<Instant>,
    watch: Watch,
    had_data: bool,
    /// Frames handed over since the handler last flushed.
    unflushed: usize,
    messages: Vec<Message>,
}

impl Progress {
    fn start(config: &SessionConfig, markets: &[Market]) -> Progress {
        let now = Instant::now();
        Progress {
            last_heard: now,
            last_data: now,
            stall_timeout: NO_DATA_TIMEOUT,
            data_frames: 0,
            frames_per_second: None,
            next_ping: now + config.ping_interval,
            snapshots_due: Some(now + config.snapshot_timeout),
            watch: Watch::new(markets),
            had_data: false,
            unflushed: 0,
            messages: Vec::new(),
        }
    }

    /// When the next timer is due.
    fn wake(&self, config: &SessionConfig) -> Instant {
        let wake =
            self.next_ping.min(self.last_heard + config.silence_timeout).min(self.last_data + self.stall_timeout);
        self.snapshots_due.map_or(wake, |due| wake.min(due))
    }

    /// Looks into a frame as far as the session needs to: who was heard, and whether it is an error.
    ///
    /// Once every market was heard, only short frames with an `"error"` in them are read: the handler reads them all anyway.
    fn notice(&mut self, frame: &Bytes) -> Option<(String, String)> {
        let may_be_error = frame.len() <= ERROR_FRAME_BYTES_MAX && memchr::memmem::find(frame, b"\"error\"").is_some();
        if self.had_data && !self.watch.is_open() && !may_be_error {
            self.note_data();
            return None;
        }
        let (mut refused, mut has_data) = (None, false);
        read_frame(frame, &mut self.messages);
        for message in self.messages.drain(..) {
            match message {
                Message::Event(event) => {
                    self.had_data = true;
                    has_data = true;
                    self.watch.heard(&event.market);
                }
                Message::Error { name, message } => refused = Some((name, message)),
                Message::Status | Message::Dead { .. } => {}
            }
        }
        if has_data {
            self.note_data();
        }
        refused
    }

    fn note_data(&mut self) {
        self.last_data = self.last_heard;
        self.data_frames += 1;
    }

    /// What usually comes, as an average that forgets within a few intervals.
    fn measure(&mut self, interval: Duration) {
        let latest = f64::from(std::mem::take(&mut self.data_frames)) / interval.as_secs_f64();
        let usual = self.frames_per_second.map_or(latest, |usual| 0.7 * usual + 0.3 * latest);
        self.frames_per_second = Some(usual);
        if self.had_data {
            let seconds = (STALL_FRAMES / usual).min(STALL_TIMEOUT_MAX.as_secs_f64());
            self.stall_timeout = Duration::from_secs_f64(seconds).max(STALL_TIMEOUT_MIN);
        }
    }
}

async fn send(what: &str, sending: impl Future<Output = Result<(), Error>>) -> Result<(), String> {
    match tokio::time::timeout(SEND_TIMEOUT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("cannot send {what}: {}", cause_chain(&error))),
        Err(_elapsed) => {
            Err(format!("cannot send {what}: not taken within {}", in_words(SEND_TIMEOUT.as_millis() as u64)))
        }
    }
}

fn closed_by_the_exchange(close: Option<CloseFrame>) -> String {
    match close {
        Some(CloseFrame { code, reason }) if reason.is_empty() => format!("closed by the exchange with code {code}"),
        Some(CloseFrame { code, reason }) => format!("closed by the exchange with code {code}: {reason}"),
        None => "closed by the exchange".to_owned(),
    }
}
