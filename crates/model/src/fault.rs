//! Whose fault an error is, and whether trying again can help. Each crate's error enum answers both.

/// Who can mend it. The binary turns this into the exit code; only the topology decides on stop, back-off or restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The user's mistake: an option, a file, a statement. Exit code 2.
    User,
    /// Something outside failed: the exchange, the disk, an object store. Exit code 3.
    External,
    /// A bug of ours. Exit code 3 too: scripts need not tell the two apart, people read the message.
    Internal,
}

impl Fault {
    /// The process exit code of the command-line contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Fault::User => 2,
            Fault::External | Fault::Internal => 3,
        }
    }
}

/// What every error of hoga can answer.
pub trait Faulty: std::error::Error {
    fn fault(&self) -> Fault;

    /// True if the same call can succeed later without anybody changing anything.
    fn retry(&self) -> bool {
        self.fault() == Fault::External
    }
}
