//! Paimon tables with a live tail: rows are visible to queries the moment they are appended, and durable once committed.
//! In a primary-key table the last change of a key wins, whether it is committed or not.
//!
//! In: sealed Arrow batches from the engine. Out: views (committed snapshot ∪ rows not yet committed, each exactly once).
//! State: a local warehouse directory, and the tail in memory, which the log can rebuild.
//! Not here: offsets and checkpoints (engine), SQL and table providers (engine), compaction of append tables and expiry (a
//! later issue).
//! This is the only crate that names `paimon`; its types do not appear in this crate's public signatures.

mod catalog;
mod changes;
mod commit;
mod dictionary;
mod error;
mod filter;
mod live;
mod lock;
mod manifest;
mod order;
mod pack;
mod paimon_schema;
mod prepare;
mod primary_key;
mod publish;
mod rewrite;
mod scan;
mod spec;
mod sync;
mod tail;

pub use catalog::{Lake, LakeOptions};
pub use changes::{ChangeBatch, RowKind};
pub use commit::{CommitDecision, Committed, decide};
pub use error::{LakeError, Result};
pub use filter::{Filter, FilterOperator};
pub use live::{LiveTable, LiveTableOptions, Sealed, TableStatus};
pub use prepare::Prepared;
pub use scan::{BatchStream, ScanPlan, ScanRequest, View};
pub use spec::TableSpec;

#[cfg(test)]
mod tests;
