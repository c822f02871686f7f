//! The rows of a query as batches: from the page of a running hoga, or from one of this process's own on the tables of a folder.
//!
//! One way for both, so that an answer never depends on it. Not here: what becomes of the rows.

use crate::commands::page::PageClient;
use crate::commands::sql::open_folder;
use crate::failure::{Failure, with_causes};
use hoga_serve::http::{self, HttpConfig};
use hoga_serve::rows::{Buffer, RecordBatch, SchemaRef, StreamDecoder};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Nobody else waits for a folder's own process.
const OFFLINE_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

/// Who is asked.
pub struct Page {
    client: PageClient,
    /// Of a page of this process's own: it is there as long as this is.
    _serving: Option<DropGuard>,
}

impl Page {
    pub fn at(url: &str, token: Option<&str>) -> Result<Page, Failure> {
        if url.starts_with("postgres") {
            return Err(Failure::user(
                "a postgres:// URL is for hoga sql; give the page to --connect, as http://127.0.0.1:8080",
            ));
        }
        Ok(Page { client: PageClient::new(url, token)?, _serving: None })
    }

    /// The tables of a folder whose hoga does not run; see [`open_folder`].
    pub async fn of_folder(data: &Path, warehouse: Option<&str>) -> Result<Page, Failure> {
        let (sessions, _) = open_folder(data, warehouse).await?;
        let serving = CancellationToken::new();
        let config = HttpConfig { listen: ([127, 0, 0, 1], 0).into(), token: None, host_names: Vec::new() };
        let running = http::serve_sql(config, sessions, OFFLINE_TIMEOUT, serving.clone()).await;
        let url = format!("http://{}", running.map_err(|error| Failure::of(&error))?.local_addr);
        Ok(Page { _serving: Some(serving.drop_guard()), ..Page::at(&url, None)? })
    }

    /// The answer to a statement, or why there is none.
    pub async fn ask(&self, query: &str) -> Result<Answer, Failure> {
        let asked = serde_json::json!({ "sql": query });
        let response = self.client.post("/api/sql?format=arrow", &asked, None).await?;
        Ok(Answer { response, decoder: StreamDecoder::new(), bytes: Buffer::from(Vec::<u8>::new()) })
    }
}

/// Rows on their way.
pub struct Answer {
    response: reqwest::Response,
    decoder: StreamDecoder,
    /// Received and not read yet.
    bytes: Buffer,
}

impl Answer {
    /// The next rows; None: those were all. Only what has ended so is whole.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        let broken = |reason: String| Failure::external(format!("the rows broke off: {reason}"));
        loop {
            while !self.bytes.is_empty() {
                if let Some(batch) = self.decoder.decode(&mut self.bytes).map_err(|error| broken(error.to_string()))? {
                    return Ok(Some(batch));
                }
            }
            match self.response.chunk().await.map_err(|error| broken(with_causes(&error)))? {
                Some(chunk) => self.bytes = Buffer::from(chunk),
                None => {
                    self.decoder.finish().map_err(|error| broken(error.to_string()))?;
                    return Ok(None);
                }
            }
        }
    }

    /// The columns; None before the first rows were asked for.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }
}
