//! Tests of the room from outside: tables on disk, as the engine uses them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bars;
mod care;
mod commits;
mod committers;
mod compaction;
mod data_files;
mod evolution;
mod figures;
mod history;
mod keyed;
mod keyed_cases;
mod scans;
mod schemas;
mod support;
mod union;
