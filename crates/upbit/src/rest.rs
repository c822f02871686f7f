//! What the exchange tells over HTTP: its list of markets, and trades and minute bars of the past.
//!
//! In: a base URL such as `https://api.upbit.com`. Out: [`MarketInfo`] rows; trades ([`ticks`]) and minute bars ([`candles`]) of the past. Not here: which of them the user wants
//! ([`crate::selection`]). No `Origin` header is ever sent: with one, the exchange answers once in ten seconds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hoga_model::time::Clock;
use hoga_model::{Faulty, Market, MarketInfo};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, rate_limit_wait_ms};
use crate::error::{UpbitError, cause_chain};
use crate::frame::{Message, read_frame};
use crate::session::SessionState;

pub mod candles;
mod pace;
mod page;
pub mod ticks;

/// Upbit's own REST address.
pub const REST_URL: &str = "https://api.upbit.com";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The list of all markets with details has 236 KB.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How much of an unreadable answer goes into the error.
const EXCERPT_CHARS_MAX: usize = 200;

/// Asks once for `/v1/market/all?is_details=true`.
pub async fn markets(base_url: &str) -> Result<Vec<MarketInfo>, UpbitError> {
    let url = format!("{}/v1/market/all?is_details=true", base_url.trim_end_matches('/'));
    let body = get(&url).await?;
    read_markets(&body).map_err(|message| UpbitError::Answer { url, status: 200, message })
}

/// Asks until there is an answer, reporting every failed attempt to `on_state`; `None` if it was cancelled.
///
/// Fails at once where asking again cannot help (a bad URL, an answer that is no list of markets).
pub async fn markets_when_reachable(
    base_url: &str,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    on_state: &mut (dyn FnMut(SessionState) + Send),
) -> Result<Option<Vec<MarketInfo>>, UpbitError> {
    let mut backoff = Backoff::new(clock.now_ms() as u64);
    loop {
        let error = tokio::select! {
            () = cancel.cancelled() => return Ok(None),
            answer = markets(base_url) => match answer {
                Ok(markets) => return Ok(Some(markets)),
                Err(error) if !error.retry() => return Err(error),
                Err(error) => error,
            },
        };
        let limited = match &error {
            UpbitError::TooManyRequests { status, .. } => backoff.after_status_ms(*status),
            _ => None,
        };
        let retry_in_ms = limited.unwrap_or_else(|| backoff.next_ms());
        let reason = match error {
            // the state's own words say that it cannot be reached
            UpbitError::Unreachable { url, reason } => format!("{url}: {reason}"),
            other => other.to_string(),
        };
        on_state(SessionState::Unreachable { reason, retry_in_ms });
        tokio::select! {
            () = cancel.cancelled() => return Ok(None),
            () = tokio::time::sleep(Duration::from_millis(retry_in_ms)) => {}
        }
    }
}

/// Reads the rows of any year: names and warnings came and went, the code was always there.
///
/// `market_warning` (until 2024-11) and `market_event.warning` (since 2024-02) both mean 유의. Rows without a usable
/// code are left out with a warning in the log; a list without any usable row is an error.
fn read_markets(body: &[u8]) -> Result<Vec<MarketInfo>, String> {
    let rows: Vec<Value> = serde_json::from_slice(body).map_err(|error| format!("not a list of markets: {error}"))?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut markets = Vec::with_capacity(rows.len());
    for row in &rows {
        let market = match Market::parse(&text(row, "market")) {
            Ok(market) => market,
            Err(error) => {
                tracing::warn!(%error, "a row of the market list is left out");
                continue;
            }
        };
        markets.push(MarketInfo {
            market,
            korean_name: text(row, "korean_name"),
            english_name: text(row, "english_name"),
            warning: row.get("market_warning").and_then(Value::as_str) == Some("CAUTION")
                || row.pointer("/market_event/warning").and_then(Value::as_bool) == Some(true),
            cautions: read_cautions(row),
        });
    }
    if markets.is_empty() { Err(format!("{} rows, and none has a market code", rows.len())) } else { Ok(markets) }
}

/// The names of the cautions that are set, sorted.
fn read_cautions(row: &Value) -> Vec<String> {
    let cautions = row.pointer("/market_event/caution").and_then(Value::as_object);
    let is_set = |(_, value): &(&String, &Value)| value.as_bool() == Some(true);
    let mut names: Vec<String> = cautions.into_iter().flatten().filter(is_set).map(|(name, _)| name.clone()).collect();
    names.sort();
    names
}

/// A successful answer.
struct Answer {
    body: Bytes,
    /// How many calls of its group are left in this second, as `Remaining-Req` says (`group=trade; min=600; sec=9`).
    calls_left: Option<u32>,
}

/// The body of a successful answer to a single question.
async fn get(url: &str) -> Result<Bytes, UpbitError> {
    Ok(request(&client(url)?, url).await?.body)
}

fn client(url: &str) -> Result<reqwest::Client, UpbitError> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let reason = "it must start with https:// or http://".to_owned();
        return Err(UpbitError::Url { url: url.to_owned(), reason });
    }
    // like the WebSocket, no proxy: what the environment says about proxies is not in our configuration
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("hoga/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| failed(url, error))
}

async fn request(client: &reqwest::Client, url: &str) -> Result<Answer, UpbitError> {
    let mut response = client.get(url).send().await.map_err(|error| failed(url, error))?;
    let status = response.status().as_u16();
    if let Some(wait_ms) = rate_limit_wait_ms(status) {
        return Err(UpbitError::TooManyRequests { url: url.to_owned(), status, wait_ms });
    }
    let remaining = response.headers().get("remaining-req").and_then(|value| value.to_str().ok());
    let calls_left = remaining.and_then(read_calls_left);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            let message = format!("the answer has more than {BODY_BYTES_MAX} bytes");
            return Err(UpbitError::Answer { url: url.to_owned(), status, message });
        }
        body.extend_from_slice(&chunk);
    }
    if !response.status().is_success() {
        return Err(UpbitError::Answer { url: url.to_owned(), status, message: message_of(Bytes::from(body)) });
    }
    Ok(Answer { body: Bytes::from(body), calls_left })
}

fn failed(url: &str, error: reqwest::Error) -> UpbitError {
    let (url, is_builder) = (url.to_owned(), error.is_builder());
    let reason = cause_chain(&error.without_url());
    if is_builder { UpbitError::Url { url, reason } } else { UpbitError::Unreachable { url, reason } }
}

fn read_calls_left(header: &str) -> Option<u32> {
    header.split(';').find_map(|part| part.trim().strip_prefix("sec="))?.parse().ok()
}

/// What an error body says: Upbit's `{"error":{…}}`, or the beginning of whatever it is.
fn message_of(body: Bytes) -> String {
    let mut messages = Vec::new();
    read_frame(&body, &mut messages);
    match messages.as_slice() {
        [Message::Error { name, message }] => format!("{name} ({message})"),
        _ if body.is_empty() => "no further explanation".to_owned(),
        _ => String::from_utf8_lossy(&body).chars().take(EXCERPT_CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests;
