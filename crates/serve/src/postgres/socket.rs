//! A TCP stream that can be watched while somebody else reads and writes it, and that limits what a client may send.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// How soon the query of a client that has gone away is ended.
const CLOSED_CHECK_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(super) struct SharedSocket {
    stream: Arc<TcpStream>,
    /// Bytes the client may still send before [`SharedSocket::allow`] is called again.
    allowance: Arc<AtomicUsize>,
}

impl SharedSocket {
    pub(super) fn new(stream: TcpStream, allowance: usize) -> SharedSocket {
        SharedSocket { stream: Arc::new(stream), allowance: Arc::new(AtomicUsize::new(allowance)) }
    }

    /// Called at the start of a message: how long it may be.
    pub(super) fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Completes when the client has closed its side. A poll now and then, because bytes it sent ahead (the next
    /// message of a pipeline) keep the socket readable and would hide the end from a waiting read.
    pub(super) async fn closed(&self) {
        loop {
            tokio::time::sleep(CLOSED_CHECK_INTERVAL).await;
            match self.stream.ready(Interest::READABLE).now_or_never() {
                Some(Ok(ready)) if ready.is_read_closed() => return,
                Some(Err(_)) => return,
                _ => {}
            }
        }
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    let left = self.allowance.load(Ordering::Relaxed).checked_sub(count);
                    let left = left.ok_or_else(|| io::Error::other("the message is longer than allowed"))?;
                    self.allowance.store(left, Ordering::Relaxed);
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The stream is shared: it closes when the connection's last owner goes.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
