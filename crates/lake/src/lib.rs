//! Paimon tables with a live tail: rows are visible to queries the moment they are appended, and durable once committed.
//! In a primary-key table the last change of a key wins, whether it is committed or not.
//!
//! In: sealed Arrow batches from the engine. Out: views (committed snapshot ∪ rows not yet committed, each exactly once).
//! State: a warehouse, in a local directory or in an object store, and the tail in memory, which the log can rebuild.
//! Not here: offsets and checkpoints (engine), SQL and table providers (engine), when to care for which table (the binary).
//! This is the only crate that names `paimon`; its types do not appear in this crate's public signatures.

mod audit;
mod between;
mod bounds;
mod care;
mod catalog;
mod changed_rows;
mod changes;
mod commit;
mod compact;
mod data_file;
mod dictionary;
mod duration;
mod error;
mod evolve;
mod expire;
mod files;
mod filter;
mod known_files;
mod live;
mod local_files;
mod lock;
mod manifest;
mod met;
mod moment;
mod narrowing;
mod order;
mod orphans;
mod pack;
mod paimon_schema;
mod parquet_rows;
mod partitions;
mod passing;
mod pins;
mod prepare;
mod primary_key;
mod publish;
mod rewrite;
mod scan;
mod spec;
mod spread;
mod step;
mod store;
mod sync;
mod system;
mod tail;

pub use audit::AuditLog;
pub use between::{Between, Span};
pub use care::TableFiles;
pub use catalog::{Lake, LakeOptions};
pub use changed_rows::ChangedRows;
pub use changes::{ChangeBatch, RowKind};
pub use commit::{CommitDecision, Committed, decide};
pub use compact::{Compacted, Pace};
pub use duration::parse_duration_ms;
pub use error::{LakeError, Result};
pub use expire::{Expired, Retention};
pub use filter::{Filter, FilterOperator};
pub use live::{LiveTable, LiveTableOptions, Sealed, TableStatus};
pub use moment::Moment;
pub use narrowing::{Narrowed, Narrowing};
pub use orphans::{ORPHAN_GRACE, ORPHAN_GRACE_MIN, Orphans};
pub use parquet_rows::ParquetRows;
pub use prepare::Prepared;
pub use publish::unique_name;
pub use scan::{BatchStream, ScanPlan, ScanRequest, View};
pub use spec::TableSpec;
pub use store::{StoreOptions, StoreTrouble};
pub use system::SystemTable;

#[cfg(test)]
mod tests;
