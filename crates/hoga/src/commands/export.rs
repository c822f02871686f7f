//! `hoga export`: all rows of a query into a file or to standard output, batch by batch.
//!
//! In: the batches that a running hoga's page answers with, or one of this process's own on a data folder. Out: Parquet, CSV or Arrow; a
//! file appears under its name when it is whole and durable, and not before.

mod target;

use crate::cli::ExportArgs;
use crate::commands::answer::{Answer, Page};
use crate::failure::Failure;
use crate::output;
use crate::up::{in_runtime, topology};
use hoga_lake::ParquetRows;
use hoga_serve::rows::{RecordBatch, RowFormat, RowWriter};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};
use target::{FileFormat, Out, Target};
use tokio_util::sync::CancellationToken;

const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let target = Target::resolve(&args.out, args.format, args.force)?;
    in_runtime(async {
        let cancel = CancellationToken::new();
        topology::stop_on_signals(&cancel)?;
        tokio::select! {
            biased;
            // what is unfinished is removed as it is dropped
            () = cancel.cancelled() => Err(Failure::external("stopped; nothing was written")),
            result = Box::pin(export(args, target)) => result,
        }
    })
}

async fn export(args: &ExportArgs, target: Target) -> Result<(), Failure> {
    let page = match &args.data {
        None => Page::at(&args.connect, args.http_token.as_deref())?,
        Some(data) => Page::of_folder(data, args.warehouse.as_deref()).await?,
    };
    let mut answer = page.ask(&args.query).await?;
    let broken = |failure: &Failure| Failure::external(format!("{}; nothing was written", failure.message()));
    let mut file = None;
    let mut progress = Progress::new();
    loop {
        let batch = answer.next().await.map_err(|failure| broken(&failure))?;
        if file.is_none() && answer.schema().is_some() {
            file = Some(Rows::begin(&target, &answer).map_err(|error| target.failed(&error))?);
        }
        let (Some(batch), Some(file)) = (batch, &mut file) else { break };
        match file.write(&batch) {
            Ok(()) => {}
            Err(error) if target.is_closed_pipe(&error) => return Ok(()),
            Err(error) => return Err(target.failed(&error)),
        }
        progress.add(batch.num_rows(), target.bytes());
    }
    let Some(file) = file else { return Err(broken(&Failure::external("there are no columns"))) };
    progress.end();
    match file.finish().and_then(Out::finish) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(target.exists()),
        Err(error) if target.is_closed_pipe(&error) => return Ok(()),
        result => result.map_err(|error| target.failed(&error))?,
    }
    match target.path() {
        Some(path) => output::line!("{}: {} rows, {} bytes", path.display(), progress.rows, target.bytes()),
        None => Ok(()),
    }
}

/// A file's format at work.
enum Rows {
    Parquet(Box<ParquetRows<Out>>),
    Plain(Box<RowWriter<Out>>),
}

impl Rows {
    fn begin(target: &Target, answer: &Answer) -> io::Result<Rows> {
        let schema = answer.schema().ok_or_else(|| io::Error::other("there are no columns"))?;
        let out = target.create()?;
        let format = match target.format() {
            FileFormat::Parquet => return Ok(Rows::Parquet(Box::new(ParquetRows::new(schema, out)?))),
            FileFormat::Csv => RowFormat::Csv,
            FileFormat::ArrowFile => RowFormat::ArrowFile,
            FileFormat::ArrowStream => RowFormat::ArrowStream,
        };
        RowWriter::new(format, &schema, out).map(|rows| Rows::Plain(Box::new(rows))).map_err(target::io_error)
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            Rows::Parquet(rows) => rows.write(batch),
            Rows::Plain(rows) => rows.write(batch).map_err(target::io_error),
        }
    }

    fn finish(self) -> io::Result<Out> {
        match self {
            Rows::Parquet(rows) => rows.finish(),
            Rows::Plain(rows) => rows.into_inner().map_err(target::io_error),
        }
    }
}

/// What has gone by, for somebody who watches.
struct Progress {
    is_watched: bool,
    rows: usize,
    told: Instant,
}

impl Progress {
    fn new() -> Progress {
        Progress { is_watched: io::stderr().is_terminal(), rows: 0, told: Instant::now() }
    }

    fn add(&mut self, rows: usize, bytes: u64) {
        self.rows += rows;
        if self.is_watched && self.told.elapsed() >= PROGRESS_INTERVAL {
            self.told = Instant::now();
            // who cannot be told is not told
            let _ = write!(io::stderr(), "\r\x1b[K{} rows, {:.1} MB", self.rows, bytes as f64 / 1e6);
        }
    }

    /// Clears the line.
    fn end(&self) {
        if self.is_watched {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
