//! What flows through hoga: markets, numbers, times, JSON tokens, faults, and how a password is proved. No I/O, no clock of its own, no `async`.
//!
//! Every room may use this crate; it uses none of them.

pub mod fault;
pub mod json;
pub mod market;
pub mod number;
pub mod scram;
mod secret;
pub mod time;

pub use fault::{Fault, Faulty};
pub use market::{Market, MarketInfo, StreamKind};
pub use secret::Secret;
