//! `POST /api/sql` for programs: all rows of a query, as an Arrow IPC stream or as CSV, sent as they are computed.
//!
//! Nothing is collected: a batch is computed when the client has taken the one before. The statement timeout is for the first batch, and for
//! each that follows, and for a client that takes nothing; together they may take as long as the client reads. What fails before the
//! first batch is answered in JSON, with a status; what fails later breaks the connection off, so that no client takes a part for the whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::answer::{self, Refusal};
use super::query::error_text;
use super::{EXPORTS_MAX, Shared};
use crate::rows::{RecordBatch, RowFormat, RowWriter, start};

const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
const CSV: &str = "text/csv";
/// Parts that are encoded and not yet taken by the client.
const PARTS_WAITING_MAX: usize = 2;

/// How the client wants its rows; `None`: in JSON, as the page does. What the address says goes before what the header says.
pub(super) fn wanted(format: Option<&str>, headers: &HeaderMap) -> Result<Option<RowFormat>, Refusal> {
    match format {
        Some("json") => Ok(None),
        Some("arrow") => Ok(Some(RowFormat::ArrowStream)),
        Some("csv") => Ok(Some(RowFormat::Csv)),
        Some(other) => Err(Refusal::bad_request(format!("format \"{other}\" is unknown; write arrow, csv or json"))),
        None => {
            let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
            let mut names = accepted.flat_map(|value| value.split(',')).filter_map(|part| part.split(';').next());
            let known = |name: &str| match name.trim() {
                ARROW_STREAM => Some(Some(RowFormat::ArrowStream)),
                CSV => Some(Some(RowFormat::Csv)),
                "application/json" => Some(None),
                _ => None,
            };
            Ok(names.find_map(known).flatten())
        }
    }
}

/// Answers when the first batch is there, or with why there is none.
pub(super) async fn rows(shared: Arc<Shared>, sql: &str, format: RowFormat) -> Result<Response, Refusal> {
    let place = shared.exports.clone().try_acquire_owned().map_err(|_| {
        Refusal::unavailable(format!("{EXPORTS_MAX} results are being sent already; ask again when one has ended"))
    })?;
    let limit = shared.statement_timeout;
    let begun = async {
        let mut batches = start(&shared.sessions, sql).await?;
        let first = batches.try_next().await?;
        let mut writer = RowWriter::new(format, &batches.schema(), Vec::new())?;
        if let Some(first) = &first {
            writer.write(first)?;
        }
        Ok::<_, DataFusionError>(Rest { batches, writer, is_last: first.is_none() })
    };
    let begun = tokio::select! {
        biased;
        () = shared.cancel.cancelled() => return Err(Refusal::unavailable("the server stops")),
        begun = timeout(limit, Box::pin(begun)) => begun.map_err(|_| {
            let reason = format!("no row within {} s; narrow the query, for example by dt", limit.as_secs_f64());
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, reason)
        })?,
    };
    let rest = begun.map_err(|error| Refusal::new(status_of(&error), error_text(&error)))?;
    let (parts, waiting) = mpsc::channel(PARTS_WAITING_MAX);
    tokio::spawn(send(shared, place, rest, parts));
    let content_type = if format == RowFormat::Csv { CSV } else { ARROW_STREAM };
    Ok(answer::with_type(StatusCode::OK, content_type, body(waiting)))
}

struct Rest {
    batches: SendableRecordBatchStream,
    /// Holds what is not sent yet.
    writer: RowWriter<Vec<u8>>,
    is_last: bool,
}

enum Part {
    Bytes(Vec<u8>),
    End,
}

/// Sends part after part. If it ends without [`Part::End`], the client's connection breaks.
async fn send(shared: Arc<Shared>, _place: OwnedSemaphorePermit, mut rest: Rest, parts: mpsc::Sender<Part>) {
    let limit = shared.statement_timeout;
    let sent = async {
        loop {
            if rest.is_last {
                rest.writer.finish().map_err(|error| error.to_string())?;
            }
            give(&parts, Part::Bytes(std::mem::take(rest.writer.get_mut())), limit).await?;
            if rest.is_last {
                return give(&parts, Part::End, limit).await;
            }
            match next(&mut rest.batches, limit).await? {
                Some(batch) => rest.writer.write(&batch).map_err(|error| error.to_string())?,
                None => rest.is_last = true,
            }
        }
    };
    let result = tokio::select! {
        biased;
        () = shared.cancel.cancelled() => Err("the server stops".to_owned()),
        result = sent => result,
    };
    if let Err(reason) = result {
        tracing::warn!(reason, "a result was broken off");
    }
}

async fn next(batches: &mut SendableRecordBatchStream, limit: Duration) -> Result<Option<RecordBatch>, String> {
    match timeout(limit, batches.next()).await {
        Ok(batch) => batch.transpose().map_err(|error| error_text(&error)),
        Err(_) => Err(format!("no row within {} s", limit.as_secs_f64())),
    }
}

async fn give(parts: &mpsc::Sender<Part>, part: Part, limit: Duration) -> Result<(), String> {
    match timeout(limit, parts.send(part)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("the client has gone".to_owned()),
        Err(_) => Err(format!("the client took nothing within {} s", limit.as_secs_f64())),
    }
}

fn body(waiting: mpsc::Receiver<Part>) -> Body {
    Body::from_stream(stream::unfold(Some(waiting), |waiting| async move {
        let mut waiting = waiting?;
        match waiting.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(Bytes::from(bytes)), Some(waiting))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the result was broken off")), None)),
        }
    }))
}

/// Whose fault it is: what is outside, a store for one, may work again later.
fn status_of(error: &DataFusionError) -> StatusCode {
    match error.find_root() {
        DataFusionError::IoError(_) | DataFusionError::External(_) | DataFusionError::ResourcesExhausted(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
