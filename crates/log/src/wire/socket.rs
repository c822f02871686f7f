//! What a client is reached through: a socket, into which the kernel can move a file's bytes, or TLS, for which they must be read.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::slice::FileSlice;

/// As much is moved at once: other clients of the thread are served in between.
#[cfg(target_os = "linux")]
const MAX_SEND_BYTES: usize = 1 << 20;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whether `send_file` can be used.
    fn takes_files(&self) -> bool;

    /// Moves some bytes of a file; how many. Waits while the client takes nothing, without holding any of them.
    fn send_file(&self, slice: &FileSlice) -> impl Future<Output = io::Result<usize>> + Send;
}

impl Socket for TcpStream {
    fn takes_files(&self) -> bool {
        cfg!(target_os = "linux")
    }

    #[cfg(target_os = "linux")]
    async fn send_file(&self, slice: &FileSlice) -> io::Result<usize> {
        let send = || slice.send(self, MAX_SEND_BYTES);
        // old pages may come from the disk first: the thread's other clients are not to wait for that
        self.async_io(tokio::io::Interest::WRITABLE, || {
            if slice.is_recent { send() } else { tokio::task::block_in_place(send) }
        })
        .await
    }

    #[cfg(not(target_os = "linux"))]
    async fn send_file(&self, _slice: &FileSlice) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Socket for TlsStream<TcpStream> {
    fn takes_files(&self) -> bool {
        false
    }

    async fn send_file(&self, _slice: &FileSlice) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
