//! The exchange: what Upbit's market data looks like on the wire, and how to keep receiving it.
//!
//! Pure: [`frame`], [`gap`], [`subscription`], [`backoff`], [`selection`], [`standby`], [`overlap`], [`listing`]. At the edge: [`session`] (WebSocket), [`rest`]
//! (the list of markets), [`replay`] (a recording instead of the exchange),
//! [`sim`] (a simulated exchange of its own). Knows no topic, log or table.

pub mod backoff;
pub mod error;
pub mod frame;
pub mod gap;
pub mod listing;
pub mod overlap;
pub mod replay;
pub mod rest;
pub mod selection;
pub mod session;
pub mod sim;
pub mod standby;
pub mod subscription;

pub use error::{BoxError, UpbitError};
