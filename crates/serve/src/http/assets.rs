//! The page's files, which are part of the binary.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::{self, Refusal};

struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

macro_rules! asset {
    ($path:literal, $content_type:expr) => {
        Asset { path: $path, content_type: $content_type, content: include_bytes!(concat!("../../assets/", $path)) }
    };
}

static PAGE: Asset = asset!("index.html", HTML);
static LOGIN: Asset = asset!("login.html", HTML);

static ASSETS: [Asset; 24] = [
    asset!("style.css", CSS),
    asset!("icon.svg", "image/svg+xml"),
    asset!("main.js", SCRIPT),
    asset!("badges.js", SCRIPT),
    asset!("bars.js", SCRIPT),
    asset!("book.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("completeness.js", SCRIPT),
    asset!("dead_letter.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("health.js", SCRIPT),
    asset!("json_text.js", SCRIPT),
    asset!("language.js", SCRIPT),
    asset!("login.js", SCRIPT),
    asset!("market_list.js", SCRIPT),
    asset!("search.js", SCRIPT),
    asset!("sql.js", SCRIPT),
    asset!("summary.js", SCRIPT),
    asset!("topic_messages.js", SCRIPT),
    asset!("topics.js", SCRIPT),
    asset!("trades.js", SCRIPT),
    asset!("vendor/lightweight-charts.js", SCRIPT),
    asset!("vendor/LICENSE", PLAIN),
    asset!("vendor/NOTICE", PLAIN),
];

/// One tag for all: they change together, with the binary.
static ETAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for asset in ASSETS.iter().chain([&PAGE, &LOGIN]) {
        asset.content.hash(&mut hasher);
    }
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).unwrap_or(HeaderValue::from_static("\"0\""))
});

pub(super) async fn page(headers: HeaderMap) -> Response {
    send(&PAGE, &headers)
}

/// What a browser gets instead of the page as long as it has no token.
pub(super) fn login_page() -> Response {
    answer::with_type(StatusCode::UNAUTHORIZED, LOGIN.content_type, Body::from(LOGIN.content))
}

pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => send(asset, &headers),
        None => Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path").into_response(),
    }
}

fn send(asset: &Asset, headers: &HeaderMap) -> Response {
    let mut response = if headers.get(header::IF_NONE_MATCH) == Some(&*ETAG) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer::with_type(StatusCode::OK, asset.content_type, Body::from(asset.content))
    };
    response.headers_mut().insert(header::ETAG, ETAG.clone());
    // kept by the browser, but asked about each time: a new binary shows its new page at once
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
