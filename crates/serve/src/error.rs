//! Everything that can stop a listener from starting. What goes wrong in one statement is that client's answer, not ours.

use std::net::SocketAddr;

use hoga_model::{Fault, Faulty};

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "cannot listen on {address}: the port is in use; stop the other program or choose another address with {option}"
    )]
    PortInUse { address: SocketAddr, option: &'static str },
    #[error("cannot listen on {address}: {source}; choose another address with {option}")]
    Bind { address: SocketAddr, option: &'static str, source: std::io::Error },
    #[error(
        "listening on {address} needs a password: other machines can reach it; set {password_option}, or listen on 127.0.0.1"
    )]
    PasswordNeeded { address: SocketAddr, password_option: &'static str },
    #[error(
        "listening on {address} needs a token: other machines can reach it; set {token_option}, or listen on 127.0.0.1"
    )]
    TokenNeeded { address: SocketAddr, token_option: &'static str },
    #[error(
        "the token of {address} has {length} bytes; use at least {required}, for example from `openssl rand -hex 24`"
    )]
    WeakToken { address: SocketAddr, length: usize, required: usize },
}

impl ServeError {
    /// What a failed bind means to the person who chose the address.
    pub(crate) fn bind(address: SocketAddr, option: &'static str, source: std::io::Error) -> ServeError {
        match source.kind() {
            std::io::ErrorKind::AddrInUse => ServeError::PortInUse { address, option },
            _ => ServeError::Bind { address, option, source },
        }
    }
}

impl Faulty for ServeError {
    fn fault(&self) -> Fault {
        match self {
            ServeError::PortInUse { .. }
            | ServeError::Bind { .. }
            | ServeError::PasswordNeeded { .. }
            | ServeError::TokenNeeded { .. }
            | ServeError::WeakToken { .. } => Fault::User,
        }
    }
}
