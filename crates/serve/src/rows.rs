//! Rows of a query on their way out: started as every reading statement is, and written batch by batch as an Arrow IPC stream, an Arrow IPC
//! file or CSV.
//!
//! In: a session and SQL, record batches. Out: bytes. Not here: limits and listeners (`http`), Parquet (`lake`).

mod csv;

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use crate::{SessionFactory, history};

pub use arrow::array::RecordBatch;
pub use arrow::buffer::Buffer;
pub use arrow::datatypes::SchemaRef;
pub use arrow_ipc::reader::StreamDecoder;
use csv::CsvWriter;

/// A batch is written in parts of at most this many rows: what a reader must hold at a time.
const ROWS_PER_PART_MAX: usize = 64 * 1024;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// An [Arrow IPC stream](https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format).
    ArrowStream,
    /// An Arrow IPC file, which can be mapped into memory: the stream's messages between two marks, and where each is.
    ArrowFile,
    /// A line of names, then a line a row, as RFC 4180 has it but with `\n`. NULL is nothing, an empty text is `""`; instants are UTC.
    Csv,
}

/// Rows into `W`, each call one batch. Only what [`RowWriter::finish`] has ended is whole.
pub struct RowWriter<W: Write>(Inner<W>);

enum Inner<W: Write> {
    ArrowStream(StreamWriter<W>),
    ArrowFile(Box<FileWriter<W>>),
    Csv(CsvWriter<W>),
}

impl<W: Write> RowWriter<W> {
    /// Writes what comes before the rows.
    pub fn new(format: RowFormat, schema: &Schema, out: W) -> Result<RowWriter<W>, ArrowError> {
        Ok(RowWriter(match format {
            RowFormat::ArrowStream => Inner::ArrowStream(StreamWriter::try_new(out, schema)?),
            RowFormat::ArrowFile => Inner::ArrowFile(Box::new(FileWriter::try_new(out, schema)?)),
            RowFormat::Csv => Inner::Csv(CsvWriter::new(out, schema)?),
        }))
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        for from in (0..batch.num_rows()).step_by(ROWS_PER_PART_MAX) {
            let part = batch.slice(from, ROWS_PER_PART_MAX.min(batch.num_rows() - from));
            match &mut self.0 {
                Inner::ArrowStream(writer) => writer.write(&part)?,
                Inner::ArrowFile(writer) => writer.write(&part)?,
                Inner::Csv(writer) => writer.write(&part)?,
            }
        }
        Ok(())
    }

    /// Writes the end.
    pub fn finish(&mut self) -> Result<(), ArrowError> {
        match &mut self.0 {
            Inner::ArrowStream(writer) => writer.finish(),
            Inner::ArrowFile(writer) => writer.finish(),
            Inner::Csv(_) => Ok(()),
        }
    }

    pub fn get_mut(&mut self) -> &mut W {
        match &mut self.0 {
            Inner::ArrowStream(writer) => writer.get_mut(),
            Inner::ArrowFile(writer) => writer.get_mut(),
            Inner::Csv(writer) => writer.get_mut(),
        }
    }

    /// Writes the end, and gives back what was written to.
    pub fn into_inner(self) -> Result<W, ArrowError> {
        match self.0 {
            Inner::ArrowStream(writer) => writer.into_inner(),
            Inner::ArrowFile(writer) => writer.into_inner(),
            Inner::Csv(writer) => Ok(writer.into_inner()),
        }
    }
}

/// Starts a statement that reads, with Flink's words for the past, as over the PostgreSQL wire. Nothing is computed before the stream is asked.
pub(crate) async fn start(sessions: &SessionFactory, sql: &str) -> Result<SendableRecordBatchStream, DataFusionError> {
    let session = (sessions)()?;
    {
        let state = session.state_ref();
        let mut state = state.write();
        let options = &mut state.config_mut().options_mut().sql_parser;
        // as in PostgreSQL, 0.1 is a decimal and not a double: money compares exactly
        options.parse_float_as_decimal = true;
        options.dialect = Dialect::PostgreSQL;
    }
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let sql = history::rewrite(sql).map_err(DataFusionError::Plan)?;
    let frame = session.sql_with_options(&sql, reading).await?;
    let tasks = Arc::new(frame.task_ctx());
    execute_stream(interruptible(frame.create_physical_plan().await?)?, tasks)
}

/// Lets go of the thread now and then inside joins, which can make any number of rows out of one batch. Without it
/// such a query could not be cancelled: it would never come up for air.
pub(crate) fn interruptible(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let wrapped = plan.transform_up(|node| {
        let multiplies = node.children().len() > 1 || node.name() == "UnnestExec";
        Ok(match multiplies {
            true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(node),
        })
    })?;
    Ok(wrapped.data)
}
