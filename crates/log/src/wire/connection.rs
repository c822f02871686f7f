//! One client: frames in, one request at a time, frames out in the same order. Everything it holds is bounded and gone when it stalls.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::api::{self, API_VERSIONS, ApiSpec, PRODUCE, RequestHeader, SASL_AUTHENTICATE, SASL_HANDSHAKE};
use super::broker::Broker;
use super::codec::{Malformed, Reader};
use super::piece::Piece;
use super::sasl::Sasl;
use super::socket::Socket;

/// A request's memory grows by this much as it arrives: a length that is only claimed costs nothing.
const GROWTH_BYTES: usize = 256 << 10;
/// Requests up to this size are not counted against the memory of requests.
const SMALL_REQUEST_BYTES: usize = 64 << 10;
const READ_BUFFER_BYTES: usize = 64 << 10;
/// API key, version and correlation id.
const MIN_REQUEST_BYTES: usize = 8;
const MAX_SLICES: usize = 64;
/// A wrong password costs the caller this much, so that guessing is slow.
const WRONG_PASSWORD_DELAY: std::time::Duration = std::time::Duration::from_millis(500);

/// What is known of a client while its request is worked on.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) host: IpAddr,
    /// The address through which it came.
    pub(crate) local: SocketAddr,
    pub(crate) sasl: Sasl,
    /// Batches can stay in their files until they are sent.
    pub(crate) takes_files: bool,
    /// The connection ends after this request.
    pub(crate) close: bool,
    /// Memory of the response, until it is sent.
    pub(crate) reservation: Option<OwnedSemaphorePermit>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the client has gone")]
    Gone,
    #[error("the client said nothing for too long")]
    Idle,
    #[error("the client stood still")]
    Stalled,
    #[error("a request of {bytes} bytes is more than the {limit} allowed")]
    TooLarge { bytes: i64, limit: usize },
    #[error("API {key} version {version} is not known")]
    Unknown { key: i16, version: i16 },
    #[error("API {key} before the client has authenticated")]
    NotAuthenticated { key: i16 },
    #[error("the client's request cannot be carried out")]
    Refused,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves a client until it goes or must go.
pub(crate) async fn serve<S: Socket>(broker: &Arc<Broker>, stream: S, peer: SocketAddr, local: SocketAddr) -> Ended {
    let sasl = Sasl::new(broker.users());
    let takes_files = stream.takes_files();
    let client =
        Client { id: String::new(), host: peer.ip(), local, sasl, takes_files, close: false, reservation: None };
    let authenticate_until = Instant::now() + broker.limits().handshake_timeout;
    let buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
    let mut connection = Connection { broker, stream, client, buffer, authenticate_until };
    loop {
        match connection.request().await {
            Ok(()) => {}
            Err(ended) => return ended,
        }
    }
}

struct Connection<'a, S> {
    broker: &'a Arc<Broker>,
    stream: S,
    client: Client,
    /// Read and not used yet.
    buffer: BytesMut,
    authenticate_until: Instant,
}

impl<S: Socket> Connection<'_, S> {
    /// One request and its response.
    async fn request(&mut self) -> Result<(), Ended> {
        let (frame, _memory) = self.frame().await?;
        let mut reader = Reader::new(frame);
        let header = RequestHeader::read(&mut reader)?;
        let pieces = match ApiSpec::find(header.key) {
            Some((_, api)) if api.supports(header.version) => {
                self.admit(header.key)?;
                self.broker.metrics().count_request(header.key);
                self.client.id.clone_from(&header.client_id);
                api::answer(self.broker, &mut self.client, &header, reader).await?
            }
            Some((_, api)) if api.key == API_VERSIONS => {
                self.broker.metrics().count_request(header.key);
                Some(api::unknown_api_versions(header.correlation_id))
            }
            _ => return Err(Ended::Unknown { key: header.key, version: header.version }),
        };
        if self.client.sasl.has_failed() {
            tokio::time::sleep(WRONG_PASSWORD_DELAY).await;
            self.client.close = true;
        }
        if let Some(pieces) = pieces {
            self.send(pieces).await?;
        }
        self.client.reservation = None;
        if self.client.close { Err(Ended::Refused) } else { Ok(()) }
    }

    /// Until a client has proved who it is, it may only do that.
    fn admit(&self, key: i16) -> Result<(), Ended> {
        let open = matches!(key, API_VERSIONS | SASL_HANDSHAKE | SASL_AUTHENTICATE);
        if open || self.client.sasl.is_done() { Ok(()) } else { Err(Ended::NotAuthenticated { key }) }
    }

    /// The next request without its length, and the memory that it counts for.
    async fn frame(&mut self) -> Result<(Bytes, Vec<OwnedSemaphorePermit>), Ended> {
        let limits = self.broker.limits();
        let authenticated = self.client.sasl.is_done();
        let idle_until = Instant::now() + limits.idle_timeout;
        let first_until = if authenticated { idle_until } else { self.authenticate_until.min(idle_until) };
        self.buffer.reserve(MIN_REQUEST_BYTES);
        self.read_until(1, first_until).await.map_err(|ended| match ended {
            Ended::Stalled => Ended::Idle,
            ended => ended,
        })?;
        let deadline = Instant::now() + limits.stall_timeout;
        self.read_until(4, deadline).await?;
        let length = self.buffer.get_i32();
        let too_large = |limit| Ended::TooLarge { bytes: i64::from(length), limit };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length >= MIN_REQUEST_BYTES) else {
            return Err(Ended::Malformed(Malformed("its length is impossible")));
        };
        if length > limits.produce_bytes {
            return Err(too_large(limits.produce_bytes));
        }
        self.read_until(MIN_REQUEST_BYTES, deadline).await?;
        let limit = match self.buffer.first_chunk::<2>() {
            Some(key) if i16::from_be_bytes(*key) == PRODUCE && authenticated => limits.produce_bytes,
            _ => limits.request_bytes,
        };
        if length > limit {
            return Err(too_large(limit));
        }
        let mut memory = Vec::new();
        let mut granted = SMALL_REQUEST_BYTES;
        while self.buffer.len() < length {
            if self.buffer.len() >= granted {
                let more = GROWTH_BYTES.min(length - granted);
                let reserved = timeout_at(deadline, self.broker.reserve_request(more)).await;
                memory.extend(reserved.map_err(|_| Ended::Stalled)?);
                granted += more;
            }
            // no further than this request, or a copy of what follows would be made
            let want = length.min(granted);
            self.buffer.reserve(want - self.buffer.len().min(want));
            self.read_until(want, deadline).await?;
        }
        Ok((self.buffer.split_to(length).freeze(), memory))
    }

    /// Reads until the buffer holds so much.
    async fn read_until(&mut self, bytes: usize, deadline: Instant) -> Result<(), Ended> {
        while self.buffer.len() < bytes {
            if self.buffer.capacity() == self.buffer.len() {
                self.buffer.reserve(READ_BUFFER_BYTES);
            }
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await;
            match read.map_err(|_| Ended::Stalled)?? {
                0 => return Err(Ended::Gone),
                read => self.broker.metrics().bytes_in.add(read as u64),
            }
        }
        Ok(())
    }

    /// Sends all pieces; a client that takes nothing for some time loses its connection.
    async fn send(&mut self, mut pieces: Vec<Piece>) -> Result<(), Ended> {
        let stall_timeout = self.broker.limits().stall_timeout;
        let mut first = 0;
        while first < pieces.len() {
            let written = timeout(stall_timeout, self.send_some(&pieces[first..])).await;
            let mut written = written.map_err(|_| Ended::Stalled)??;
            if written == 0 {
                return Err(Ended::Gone);
            }
            self.broker.metrics().bytes_out.add(written as u64);
            while let Some(piece) = pieces.get_mut(first)
                && (written > 0 || piece.is_empty())
            {
                let taken = written.min(piece.len());
                piece.advance(taken);
                written -= taken;
                first += usize::from(piece.is_empty());
            }
        }
        timeout(stall_timeout, self.stream.flush()).await.map_err(|_| Ended::Stalled)??;
        Ok(())
    }

    /// Some bytes of the first pieces; how many.
    async fn send_some(&mut self, pieces: &[Piece]) -> io::Result<usize> {
        if let Some(Piece::File(slice)) = pieces.first() {
            let sent = self.stream.send_file(slice).await?;
            self.broker.metrics().bytes_out_of_files.add(sent as u64);
            return Ok(sent);
        }
        let in_memory = pieces.iter().map_while(|piece| match piece {
            Piece::Bytes(bytes) => Some(IoSlice::new(bytes)),
            Piece::File(_) => None,
        });
        let slices: Vec<IoSlice<'_>> = in_memory.take(MAX_SLICES).collect();
        self.stream.write_vectored(&slices).await
    }
}
