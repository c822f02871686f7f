//! The room from outside: its listeners on loopback, in one binary since each one that links DataFusion is large.

#![allow(clippy::unwrap_used, reason = "tests")]

mod batches;
mod fixtures;
mod http;
mod lake;
mod postgres;
mod topic_log;
