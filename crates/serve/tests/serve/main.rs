//! The room from outside: its listeners on loopback, in one binary since each one that links DataFusion is large.

mod batches;
mod http;
mod lake;
