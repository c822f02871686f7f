//! Tests of the room from outside: tables on disk, as the engine uses them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod commits;
mod figures;
mod scans;
mod schemas;
mod support;
mod union;
