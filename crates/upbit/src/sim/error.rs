//! What can go wrong with the simulator, and whose fault it is.

use hoga_model::{Fault, Faulty};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("{name} {value} is not possible for the simulated exchange; choose {expected}")]
    InvalidSetting { name: &'static str, value: String, expected: String },
    #[error(
        "the simulated exchange has no password and listens on loopback only, not on {0}; use 127.0.0.1:{port}",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    #[error("address {0} is in use by another process; choose another port, or 127.0.0.1:0 for any free one")]
    AddressInUse(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot create truth file \"{path}\": {source}; name a file in a folder that exists and can be written", path = path.display())]
    CreateTruth { path: PathBuf, source: std::io::Error },
    #[error("cannot write truth file \"{path}\": {source}; the simulated exchange stopped, because trades without truth prove nothing", path = path.display())]
    WriteTruth { path: PathBuf, source: std::io::Error },
    #[error("the simulated exchange's task ended in a panic: {0}")]
    Panicked(String),
}

impl Faulty for SimError {
    fn fault(&self) -> Fault {
        match self {
            SimError::InvalidSetting { .. }
            | SimError::NotLoopback(_)
            | SimError::AddressInUse(_)
            | SimError::CreateTruth { .. } => Fault::User,
            SimError::Listen { .. } | SimError::WriteTruth { .. } => Fault::External,
            SimError::Panicked(_) => Fault::Internal,
        }
    }

    /// Nothing here mends itself.
    fn retry(&self) -> bool {
        false
    }
}
