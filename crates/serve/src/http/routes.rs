//! The short answers: ready or not, metrics, status, names, the board.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hoga_model::Market;
use serde::{Deserialize, Serialize};

use super::answer::{self, Refusal};
use super::{Shared, metrics as metrics_text};
use crate::board::ListedMarket;

pub(super) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    if *shared.ready.borrow() {
        answer::json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
    } else {
        answer::json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting"}"#.to_owned())
    }
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let text = metrics_text::render(&shared.health_now());
    answer::with_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Body::from(text))
}

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    answer::ok(&*shared.health_now())
}

pub(super) async fn markets(State(shared): State<Arc<Shared>>) -> Response {
    let json = names_json(shared.board.lock().names());
    answer::json(StatusCode::OK, json)
}

#[derive(Deserialize)]
pub(super) struct MarketQuery {
    pub(super) market: Option<String>,
}

/// All last tickers; with `?market=` its book and trades too.
pub(super) async fn board(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<MarketQuery>,
) -> Result<Response, Refusal> {
    let market = query.market.as_deref().map(parse_market).transpose()?;
    let board = shared.board.lock();
    let (book, trades) = match &market {
        Some(market) => (board.book_since(market.as_str(), 0), board.trades_since(market.as_str(), 0)),
        None => (None, Vec::new()),
    };
    let mut tickers = board.tickers_since(0);
    tickers.sort_unstable_by(|a, b| a.market.cmp(&b.market));
    Ok(answer::ok(&serde_json::json!({ "tickers": tickers, "book": book, "trades": trades })))
}

pub(super) async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

pub(super) fn parse_market(code: &str) -> Result<Market, Refusal> {
    Market::parse(code).map_err(|error| Refusal::bad_request(error.to_string()))
}

pub(super) fn names_json(names: &[ListedMarket]) -> String {
    #[derive(Serialize)]
    struct Name<'a> {
        market: &'a str,
        korean_name: &'a str,
        english_name: &'a str,
        warning: bool,
        cautions: &'a [String],
        listed_at: Option<i64>,
    }
    let names = names.iter().map(|ListedMarket { info, listed_at }| Name {
        market: info.market.as_str(),
        korean_name: &info.korean_name,
        english_name: &info.english_name,
        warning: info.warning,
        cautions: &info.cautions,
        listed_at: *listed_at,
    });
    answer::to_json(&names.collect::<Vec<_>>())
}
