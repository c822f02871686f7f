//! Requests to the store: what fails for a moment is asked again, with a jittered back-off.
//!
//! They run on the process's own runtime, whoever asks: data files are written by threads with small runtimes of their
//! own, and a connection that one of them made would stand still with it, while others wait for their answers on it.

use futures::stream;
use http::request::Parts;
use http::{Request, Response};
use opendal_core::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// After the first.
const RETRIES_MAX: u32 = 4;
/// Before the first retry, on average; it doubles. So a request that is refused at once is given up after two seconds or
/// so, and whoever made it (a commit, the care of a table) waits longer before it makes it again.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// What took longer to fail is not asked again here.
const RETRY_PATIENCE: Duration = Duration::from_secs(10);

/// For the runtime it is called on.
pub(super) fn transporter() -> HttpTransporter {
    HttpTransporter::new(PatientTransport { runtime: Handle::current() })
}

#[derive(Debug, Clone)]
struct PatientTransport {
    runtime: Handle,
}

impl HttpTransport for PatientTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let answered = self.runtime.spawn(Box::pin(fetch_patiently(parts, body))).await;
        answered.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Unexpected, "the request was given up").set_source(error))
        })
    }
}

async fn fetch_patiently(parts: Parts, body: Buffer) -> Result<Response<HttpBody>> {
    let began = Instant::now();
    let mut attempt = 0;
    loop {
        let answer = fetch_whole(Request::from_parts(parts.clone(), body.clone())).await;
        if attempt == RETRIES_MAX || began.elapsed() > RETRY_PATIENCE || !is_passing(&answer) {
            return answer;
        }
        tokio::time::sleep(wait(attempt, rand::random())).await;
        attempt += 1;
    }
}

/// The answer with its body, which is read here too: it can break off in the middle.
async fn fetch_whole(request: Request<Buffer>) -> Result<Response<HttpBody>> {
    let (parts, mut body) = ReqwestTransport.fetch(request).await?.into_parts();
    let whole = body.to_buffer().await?;
    let length = whole.len() as u64;
    Ok(Response::from_parts(parts, HttpBody::new(stream::iter([Ok(whole)]), Some(length))))
}

/// Whether the same request can have another answer in a moment.
fn is_passing(answer: &Result<Response<HttpBody>>) -> bool {
    match answer {
        Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
        Err(error) => error.is_temporary(),
    }
}

/// Between half and one and a half times the wait, by `random`.
fn wait(attempt: u32, random: u32) -> Duration {
    RETRY_WAIT.mul_f64(2_f64.powi(attempt as i32) * (0.5 + f64::from(random) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_jittered() {
        assert_eq!(wait(0, 0), Duration::from_millis(50));
        assert_eq!(wait(0, u32::MAX), Duration::from_millis(150));
        assert_eq!(wait(3, u32::MAX), Duration::from_millis(1_200));
    }
}
