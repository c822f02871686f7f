//! `$audit_log`: rows with the kind of change that made each. Of a moment: the last change of each key, deletions too. Between
//! two snapshots: every change, in the order of the commits that a reader of the stream would see.

use crate::between::Between;
use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::moment::NOTHING_COMMITTED;
use crate::pins::Pin;
use crate::scan::{BatchStream, Pinned, View, align};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use futures::stream;
use paimon::Table;
use paimon::spec::DataField;
use paimon::table::{AuditLogRead, AuditLogTable, IncrementalScanMode};
use std::sync::Arc;

/// `+I`, `-U`, `+U` or `-D`.
const ROW_KIND: &str = "rowkind";

/// The committed rows of a view, or the changes between two snapshots, each with its kind.
#[derive(Debug, Clone)]
pub struct AuditLog {
    view: View,
    schema: SchemaRef,
    changes: Option<(Between, Arc<Pin>)>,
}

impl LiveTable {
    /// # Errors
    /// A snapshot of the range does not exist (any more); the error says which do.
    pub async fn audit_log(&self, view: View, between: Option<Between>) -> Result<AuditLog> {
        let kind = Arc::new(Field::new(ROW_KIND, DataType::Utf8, true));
        let schema = Schema::new([kind].into_iter().chain(view.schema().fields().iter().cloned()).collect::<Vec<_>>());
        let changes = match between {
            None => None,
            Some(between) => {
                let range = self.first_and_last().await?.map(|(first, last)| (first.id(), last.id()));
                let is_there = |(first, last): (i64, i64)| {
                    first - 1 <= between.after && between.after <= between.to && between.to <= last
                };
                // the pin keeps its snapshot and all after it
                let pin = self.pins.pin((between.after + 1).min(between.to)).filter(|_| range.is_some_and(is_there));
                match pin {
                    Some(pin) => Some((between, Arc::new(pin))),
                    None => return Err(self.no_range(between, range)),
                }
            }
        };
        Ok(AuditLog { view, schema: Arc::new(schema), changes })
    }

    fn no_range(&self, between: Between, range: Option<(i64, i64)>) -> LakeError {
        let known = match range {
            Some((first, last)) => format!("there are changes from '{},{last}' on", first - 1),
            None => NOTHING_COMMITTED.to_owned(),
        };
        self.no_moment(format!("there are no changes between snapshots {} and {}; {known}", between.after, between.to))
    }
}

impl AuditLog {
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The kind, then the table's columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Plans and starts reading; `projection` are places in the schema, None is all of it.
    pub async fn open(&self, projection: Option<&[usize]>) -> Result<BatchStream> {
        let name = self.view.identity.name.clone();
        let output = match projection {
            None => Arc::clone(&self.schema),
            Some(places) => Arc::new(self.schema.project(places).map_err(LakeError::arrow(&name, "project"))?),
        };
        let Some(pinned) = self.view.state.pinned.clone() else { return Ok(stream::empty().boxed()) };
        // counting rows needs a column too
        let read = match output.fields().is_empty() {
            true => Arc::new(self.schema.project(&[0]).map_err(LakeError::arrow(&name, "project"))?),
            false => Arc::clone(&output),
        };
        let failed = || LakeError::paimon(&name, "read the audit log");
        let batches = match &self.changes {
            None => merged(&pinned.table, &read).await.map_err(failed())?,
            Some((between, _)) => changes(&pinned.table, *between, &read).await.map_err(failed())?,
        };
        let kept: (Arc<Pinned>, Option<Arc<Pin>>) = (pinned, self.changes.as_ref().map(|(_, pin)| Arc::clone(pin)));
        Ok(batches
            .map(move |batch| {
                let _kept = &kept; // while the stream lives
                let batch = batch.map_err(LakeError::paimon(&name, "read the audit log"))?;
                let batch = in_order(&batch, &read).map_err(LakeError::arrow(&name, "read the audit log"))?;
                match output.fields().is_empty() {
                    true => {
                        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                        RecordBatch::try_new_with_options(Arc::clone(&output), Vec::new(), &options)
                            .map_err(LakeError::arrow(&name, "count rows"))
                    }
                    false => align(&name, &batch, &read),
                }
            })
            .boxed())
    }
}

type Batches = paimon::Result<paimon::table::ArrowRecordBatchStream>;

/// The state of a snapshot.
async fn merged(table: &Table, read: &SchemaRef) -> Batches {
    let known = AuditLogTable::new(table.clone()).fields()?;
    let wanted = |field: &Arc<Field>| known.iter().find(|known| known.name() == field.name()).cloned();
    let mut builder = table.new_read_builder();
    builder.with_read_type(read.fields().iter().filter_map(wanted).collect::<Vec<DataField>>());
    let splits = builder.new_audit_scan().plan().await?.into_splits();
    AuditLogRead::new(builder.new_read()?)?.to_arrow(&splits)
}

/// What commits have changed.
async fn changes(table: &Table, between: Between, read: &SchemaRef) -> Batches {
    let audit = AuditLogTable::new(table.clone());
    let plan = audit.new_incremental_scan(IncrementalScanMode::Auto, between.after, between.to).plan().await?;
    let columns: Vec<&str> =
        read.fields().iter().map(|field| field.name().as_str()).filter(|name| *name != ROW_KIND).collect();
    let mut builder = table.new_read_builder();
    builder.with_projection(&columns)?;
    builder.new_read()?.to_audit_log_arrow(&plan)
}

/// The columns that were asked for, in their order: the crate puts the kind first, whether it was wanted or not.
fn in_order(batch: &RecordBatch, read: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let places = read.fields().iter().map(|field| batch.schema_ref().index_of(field.name()));
    batch.project(&places.collect::<Result<Vec<_>, _>>()?)
}
