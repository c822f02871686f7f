//! What a query sees of a table: a snapshot and the tail over it. Immutable once built.

use crate::changes::{Changes, KeyCodec, Overlay, last_changes};
use crate::error::Result;
use crate::primary_key::keeps_every_change;
use crate::scan::Pinned;
use crate::tail::TailBatch;
use arrow::datatypes::SchemaRef;
use paimon::Table;
use std::sync::{Arc, OnceLock};

/// A table's name, columns and key.
#[derive(Debug)]
pub(crate) struct TableIdentity {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    /// None for an append table.
    pub(crate) key: Option<Arc<KeyCodec>>,
}

impl TableIdentity {
    pub(crate) fn new(name: String, schema: SchemaRef, table: &Table) -> Result<TableIdentity> {
        let (keys, options) = (table.schema().primary_keys(), table.schema().options());
        let key = match keys.is_empty() {
            true => None,
            false => Some(Arc::new(KeyCodec::new(&name, &schema, keys, keeps_every_change(options))?)),
        };
        Ok(TableIdentity { name, schema, key })
    }
}

/// What queries see. Immutable once built.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pinned: Option<Arc<Pinned>>,
    pub(super) sealed: Vec<Arc<SealedPart>>,
    pub(super) open: Vec<Arc<TailBatch>>,
    pub(super) open_rows: u64,
    pub(super) open_bytes: u64,
    /// Made by the first scan of this state that needs it.
    pub(super) overlay: OnceLock<Overlay>,
}

impl State {
    /// Of a primary-key table: which rows of the tail are shown, and which committed rows they hide.
    pub(crate) fn overlay(&self) -> &Overlay {
        self.overlay.get_or_init(|| {
            let changes: Vec<&Changes> = self.tail().filter_map(|batch| batch.changes.as_ref()).collect();
            Overlay::new(changes.iter().copied())
        })
    }

    pub(crate) fn tail(&self) -> impl Iterator<Item = &Arc<TailBatch>> {
        self.sealed.iter().flat_map(|part| &part.batches).chain(&self.open)
    }

    pub(crate) fn tail_rows(&self) -> u64 {
        self.sealed.iter().map(|part| part.rows).sum::<u64>() + self.open_rows
    }

    /// The same rows in the tail over another snapshot.
    pub(crate) fn with_pinned(&self, pinned: Option<Arc<Pinned>>) -> State {
        State {
            pinned,
            sealed: self.sealed.clone(),
            open: self.open.clone(),
            open_rows: self.open_rows,
            open_bytes: self.open_bytes,
            overlay: OnceLock::new(),
        }
    }

    pub(super) fn tail_bytes(&self) -> u64 {
        self.sealed.iter().map(|part| part.bytes).sum::<u64>() + self.open_bytes
    }
}

/// What was appended before a seal.
#[derive(Debug)]
pub(super) struct SealedPart {
    pub(super) batches: Vec<Arc<TailBatch>>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Its place among all parts sealed since the table was opened.
    pub(super) number: u64,
    /// Of a primary-key table; counted when first asked for.
    pub(super) keys: OnceLock<u64>,
}

impl SealedPart {
    /// Whether files with so many rows can be this part's: as many as it has keys, in a primary-key table.
    pub(super) fn fits(&self, rows: u64, key: Option<&Arc<KeyCodec>>) -> bool {
        let Some(key) = key else { return rows == self.rows };
        let keys = *self.keys.get_or_init(|| {
            let changes: Vec<&Changes> = self.batches.iter().filter_map(|batch| batch.changes.as_ref()).collect();
            last_changes(changes.iter().copied()).keys.len() as u64
        });
        // With every change kept, the writer drops all but the last of a key only within one of its files.
        rows == keys || (key.keeps_every_change && (keys..=self.rows).contains(&rows))
    }
}
