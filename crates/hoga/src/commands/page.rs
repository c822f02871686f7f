//! The page of a running hoga, as commands ask it: where it is, the token that it may want, and what is said when it gives no answer.
//!
//! The token is in no message.

use crate::cli::PageArgs;
use crate::failure::{Failure, with_causes};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use std::time::Duration;

pub struct PageClient {
    client: reqwest::Client,
    /// With its scheme, without a slash at the end.
    address: String,
    token: Option<String>,
}

impl PageClient {
    pub fn new(address: &str, token: Option<&str>) -> Result<PageClient, Failure> {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| Failure::external(format!("cannot make an HTTP client: {error}")))?;
        let scheme = if address.contains("://") { "" } else { "http://" };
        let address = format!("{scheme}{}", address.trim_end_matches('/'));
        Ok(PageClient { client, address, token: token.map(str::to_owned) })
    }

    pub fn of(args: &PageArgs) -> Result<PageClient, Failure> {
        PageClient::new(&args.http, args.http_token.as_deref())
    }

    pub async fn get(&self, path: &str) -> Result<Response, Failure> {
        self.ask(self.client.request(Method::GET, self.url(path)), path).await
    }

    /// Without a time-out the answer may take as long as it likes.
    pub async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Option<Duration>,
    ) -> Result<Response, Failure> {
        let mut request = self.client.request(Method::POST, self.url(path)).json(body);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        self.ask(request, path).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// An answer that is none becomes a failure: the user's, or of what is outside and may be better at another time.
    async fn ask(&self, mut request: reqwest::RequestBuilder, path: &str) -> Result<Response, Failure> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| self.no_answer(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.map_err(|error| self.no_answer(&error))?;
        let told = serde_json::from_str::<serde_json::Value>(&text).ok();
        let reason = told.as_ref().and_then(|told| told.get("error")?.as_str());
        let reason = reason.map_or_else(|| format!("{} answered {status}", self.url(path)), str::to_owned);
        Err(match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => {
                Failure::user(format!("{} asks for a token; give it as HOGA_HTTP_TOKEN", self.address))
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => {
                Failure::user(format!("{} has another token than that of HOGA_HTTP_TOKEN", self.address))
            }
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => {
                Failure::user(format!("{} is none of this version's: {reason}", self.url(path)))
            }
            (status, _) if status.is_client_error() => Failure::user(reason),
            _ => Failure::external(reason),
        })
    }

    fn no_answer(&self, error: &reqwest::Error) -> Failure {
        Failure::external(format!(
            "no hoga answers at {} ({}); start one with: hoga up, or name its page",
            self.address,
            with_causes(error)
        ))
    }
}
