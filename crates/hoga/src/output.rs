//! What a command says on standard output. A reader that has gone (`hoga explain | head`) is no mistake: what it does not
//! read is not written, and the command goes on to its own end.

use crate::failure::Failure;
use std::io::{ErrorKind, Write};

/// Writes a text as it is.
pub fn text(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    written(out.write_fmt(text).and_then(|()| out.flush()))
}

/// The result of writing there, for those who write by themselves.
pub fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::external(format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}

/// As `println!`, without its panic.
macro_rules! line {
    ($($part:tt)*) => { $crate::output::text(format_args!("{}\n", format_args!($($part)*))) };
}
pub(crate) use line;
