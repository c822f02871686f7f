//! opendal's HTTP transport over the reqwest that hoga already has.
//!
//! The published crate brings reqwest 0.13, and with it aws-lc: a second TLS library, cmake and some minutes of C to
//! compile, and two crypto providers in one process. `[patch]` puts this in its place: the same names, reqwest 0.12,
//! rustls with ring, and the limits of time that a client of a store on the network needs.

use std::sync::LazyLock;
use std::time::Duration;

use futures::TryStreamExt as _;
use http::{Method, Request, Response};
use opendal_core::raw::{parse_content_encoding, parse_content_length};
use opendal_core::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Without a byte for so long, a request has failed.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

static CLIENT: LazyLock<std::result::Result<reqwest::Client, reqwest::Error>> = LazyLock::new(|| {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
});

/// Sends opendal's requests with reqwest; the client is made at the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReqwestTransport;

impl HttpTransport for ReqwestTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let client = CLIENT
            .as_ref()
            .map_err(|error| Error::new(ErrorKind::Unexpected, "no HTTP client").set_source(error))?;
        let uri = request.uri().clone();
        let is_head = request.method() == Method::HEAD;
        let (parts, body) = request.into_parts();
        let mut sent = client
            .request(parts.method, uri.to_string())
            .headers(parts.headers)
            .version(parts.version);
        if !body.is_empty() {
            sent = sent.body(body.to_bytes());
        }
        let mut answer = sent.send().await.map_err(|error| failed("send http request", error))?;

        let length = if is_head || parse_content_encoding(answer.headers())?.is_some() {
            None
        } else {
            parse_content_length(answer.headers())?
        };
        let mut response = Response::builder()
            .status(answer.status())
            .version(answer.version())
            .extension(uri);
        if let Some(headers) = response.headers_mut() {
            std::mem::swap(headers, answer.headers_mut());
        }
        let body = answer
            .bytes_stream()
            .try_filter(|bytes| std::future::ready(!bytes.is_empty()))
            .map_ok(Buffer::from)
            .map_err(|error| failed("read data from http response", error));
        response
            .body(HttpBody::new(body, length))
            .map_err(|error| Error::new(ErrorKind::Unexpected, "an http response without sense").set_source(error))
    }
}

fn failed(what: &'static str, error: reqwest::Error) -> Error {
    let temporary = error.is_request() || error.is_body() || error.is_decode() || error.is_timeout();
    // the address stays out of the message of the source: opendal's own context names the path
    Error::new(ErrorKind::Unexpected, what)
        .with_temporary(temporary)
        .set_source(error.without_url())
}
