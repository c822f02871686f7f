//! `POST /api/sql`: the page's console. Reads only, a bounded number of rows, a bounded time. Programs get all rows: `rows`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use axum::extract::{Json, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{self, Refusal};
use super::{Shared, rows};
use crate::rows::start;

/// More rows than this are not sent; the answer says that there were more.
pub(super) const ROWS_MAX: usize = 1_000;
/// More text than this is not sent either.
const RESULT_BYTES_MAX: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlRequest {
    sql: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlOptions {
    format: Option<String>,
}

#[derive(Debug, Serialize)]
struct SqlAnswer {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    /// There were more rows than these.
    truncated: bool,
    elapsed_ms: u64,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    /// Whether the values are numbers, which are strings in `rows`: doubles would lose digits.
    numeric: bool,
}

pub(super) async fn sql(
    State(shared): State<Arc<Shared>>,
    Query(options): Query<SqlOptions>,
    headers: HeaderMap,
    Json(request): Json<SqlRequest>,
) -> Result<Response, Refusal> {
    if let Some(format) = rows::wanted(options.format.as_deref(), &headers)? {
        return rows::rows(shared, &request.sql, format).await;
    }
    let answer = run_limited(&shared, TIMEOUT, Box::pin(run(&shared, &request.sql))).await?;
    answer.map(|answer| answer::ok(&answer)).map_err(|error| Refusal::bad_request(error_text(&error)))
}

/// Waits for a turn, then for the query, but not beyond `timeout` or the end of the listener. Dropping a query stops it.
pub(super) async fn run_limited<T>(
    shared: &Shared,
    timeout: Duration,
    query: impl Future<Output = Result<T, DataFusionError>>,
) -> Result<Result<T, DataFusionError>, Refusal> {
    let turn_and_query = async {
        let _turn = shared.queries.acquire().await;
        query.await
    };
    tokio::select! {
        biased;
        () = shared.cancel.cancelled() => Err(Refusal::unavailable("the server stops")),
        result = tokio::time::timeout(timeout, turn_and_query) => result.map_err(|_| {
            let reason = format!("the query took longer than {} s; narrow it, for example by dt", timeout.as_secs());
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, reason)
        }),
    }
}

/// The message for a person, without DataFusion's wrapping.
pub(super) fn error_text(error: &DataFusionError) -> String {
    error.strip_backtrace()
}

async fn run(shared: &Shared, sql: &str) -> Result<SqlAnswer, DataFusionError> {
    let started = Instant::now();
    let mut batches = start(&shared.sessions, sql).await?;
    let columns = columns_of(&batches.schema());
    let mut rows = Rows::default();
    while let Some(batch) = batches.try_next().await? {
        rows.add(&batch)?;
        if rows.truncated {
            break;
        }
    }
    let elapsed_ms = started.elapsed().as_millis() as u64;
    Ok(SqlAnswer { columns, rows: rows.rows, truncated: rows.truncated, elapsed_ms })
}

#[derive(Default)]
struct Rows {
    rows: Vec<Vec<Value>>,
    bytes: usize,
    truncated: bool,
}

impl Rows {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        let nulls: Vec<_> = batch.columns().iter().map(|column| column.logical_nulls()).collect();
        for index in 0..batch.num_rows() {
            if self.rows.len() == ROWS_MAX || self.bytes > RESULT_BYTES_MAX {
                self.truncated = true;
                return Ok(());
            }
            let mut row = Vec::with_capacity(formatters.len());
            for (formatter, nulls) in formatters.iter().zip(&nulls) {
                row.push(if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                    Value::Null
                } else {
                    let text = formatter.value(index).try_to_string()?;
                    self.bytes += text.len();
                    Value::String(text)
                });
            }
            self.rows.push(row);
        }
        Ok(())
    }
}

fn columns_of(schema: &Schema) -> Vec<Column> {
    let column = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        data_type: type_name(field.data_type()),
        numeric: field.data_type().is_numeric(),
    };
    schema.fields().iter().map(column).collect()
}

/// SQL's name of a type where it has a short one.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP_LTZ".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        DataType::List(field) => format!("ARRAY<{}>", type_name(field.data_type())),
        DataType::Struct(_) => "ROW".to_owned(),
        other => other.to_string(),
    }
}
