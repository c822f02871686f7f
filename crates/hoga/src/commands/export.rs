//! `hoga export`: all rows of a query into a file or to standard output, batch by batch.
//!
//! In: the Arrow stream that a running hoga's page answers with, or one of this process's own on a data folder. Out: Parquet, CSV or Arrow; a
//! file appears under its name when it is whole and durable, and not before.

mod target;

use crate::cli::ExportArgs;
use crate::commands::sql::open_folder;
use crate::failure::{Failure, with_causes};
use crate::output;
use crate::up::{in_runtime, topology};
use hoga_lake::ParquetRows;
use hoga_serve::http::{self, HttpConfig};
use hoga_serve::rows::{Buffer, RecordBatch, RowFormat, RowWriter, StreamDecoder};
use reqwest::StatusCode;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};
use target::{FileFormat, Out, Target};
use tokio_util::sync::CancellationToken;

/// Nobody else waits for a folder's own process.
const OFFLINE_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);
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
    let serving = CancellationToken::new();
    let _stops_serving = serving.clone().drop_guard();
    let page = match &args.data {
        None => args.connect.clone(),
        Some(data) => {
            // the same way as online, so that an answer never depends on it
            let (sessions, _) = open_folder(data).await?;
            let config = HttpConfig { listen: ([127, 0, 0, 1], 0).into(), token: None, host_names: Vec::new() };
            let running = http::serve_sql(config, sessions, OFFLINE_TIMEOUT, serving).await;
            format!("http://{}", running.map_err(|error| Failure::of(&error))?.local_addr)
        }
    };
    let mut answer = ask(&page, &args.query, args.http_token.as_deref()).await?;
    let broken = |reason: String| Failure::external(format!("the rows broke off: {reason}; nothing was written"));
    let mut decoder = StreamDecoder::new();
    let mut file = None;
    let mut progress = Progress::new();
    let is_first = |decoder: &StreamDecoder, file: &Option<Rows>| file.is_none() && decoder.schema().is_some();
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken(with_causes(&error)))? {
        let mut bytes = Buffer::from(chunk);
        while !bytes.is_empty() {
            let batch = decoder.decode(&mut bytes).map_err(|error| broken(error.to_string()))?;
            if is_first(&decoder, &file) {
                file = Some(Rows::begin(&target, &decoder).map_err(|error| target.failed(&error))?);
            }
            if let (Some(batch), Some(file)) = (batch, &mut file) {
                match file.write(&batch) {
                    Ok(()) => {}
                    Err(error) if target.is_closed_pipe(&error) => return Ok(()),
                    Err(error) => return Err(target.failed(&error)),
                }
                progress.add(batch.num_rows(), target.bytes());
            }
        }
    }
    decoder.finish().map_err(|error| broken(error.to_string()))?;
    let Some(file) = file else { return Err(broken("there are no columns".to_owned())) };
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

/// Asks the page, or says why it does not answer with rows.
async fn ask(page: &str, query: &str, token: Option<&str>) -> Result<reqwest::Response, Failure> {
    if page.starts_with("postgres") {
        return Err(Failure::user(format!(
            "--connect \"{page}\" is for hoga sql; give the page, as http://127.0.0.1:8080"
        )));
    }
    let scheme = if page.contains("://") { "" } else { "http://" };
    let url = format!("{scheme}{}/api/sql?format=arrow", page.trim_end_matches('/'));
    let mut request = reqwest::Client::new().post(&url).json(&serde_json::json!({ "sql": query }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut answer = request.send().await.map_err(|error| {
        Failure::external(format!(
            "no hoga answers at {url} ({}); start one with: hoga up, or read a folder with --data DIR",
            with_causes(&error)
        ))
    })?;
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    let status = answer.status();
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        text.extend_from_slice(&chunk);
    }
    let told = serde_json::from_slice::<serde_json::Value>(&text).ok();
    let reason = told.as_ref().and_then(|told| told["error"].as_str());
    let reason = reason.map_or_else(|| format!("{url} answered {status}"), str::to_owned);
    match status {
        StatusCode::UNAUTHORIZED => Err(Failure::user(format!("{reason} (HOGA_HTTP_TOKEN)"))),
        status if status.is_client_error() => Err(Failure::user(reason)),
        _ => Err(Failure::external(reason)),
    }
}

/// A file's format at work.
enum Rows {
    Parquet(Box<ParquetRows<Out>>),
    Plain(Box<RowWriter<Out>>),
}

impl Rows {
    fn begin(target: &Target, decoder: &StreamDecoder) -> io::Result<Rows> {
        let schema = decoder.schema().ok_or_else(|| io::Error::other("there are no columns"))?;
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
