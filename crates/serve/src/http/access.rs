//! Who may ask: the name the browser asked for, the site the request comes from, and the token.
//!
//! A page on another site can make a browser send requests to 127.0.0.1, and can point its own name at 127.0.0.1 (DNS
//! rebinding). So only our own names are served, requests of other sites are refused, and there is no CORS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Json, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::Refusal;
use super::{HttpConfig, Shared, assets};
use crate::Secret;

const COOKIE: &str = "hoga_token";
/// 30 days.
const COOKIE_SECONDS: u32 = 2_592_000;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Scripts, styles and connections come from this server alone; nobody may put the page into a frame.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub(super) struct Access {
    listen: IpAddr,
    host_names: Vec<String>,
    token: Option<Secret>,
}

impl Access {
    pub(super) fn new(config: &HttpConfig, local_addr: SocketAddr) -> Access {
        Access { listen: local_addr.ip(), host_names: config.host_names.clone(), token: config.token.clone() }
    }

    /// True if `host`, without its port, is a name of ours.
    fn is_own_host(&self, host: &str) -> bool {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            // an address cannot be rebound, so where we listen on all of them any of them is ours
            return address.is_loopback() || address == self.listen || self.listen.is_unspecified();
        }
        host.eq_ignore_ascii_case("localhost") || self.host_names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = bearer.and_then(|value| value.strip_prefix(b"Bearer "));
        let cookie = token_cookie(headers).and_then(from_hex);
        bearer.is_some_and(|candidate| token.matches(candidate))
            || cookie.is_some_and(|candidate| token.matches(&candidate))
    }
}

pub(super) async fn require_own_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return Refusal::bad_request("the request has no valid Host header").into_response();
    };
    if !shared.access.is_own_host(authority.host()) {
        let reason = format!("\"{}\" is not a name of this server; ask for it as localhost", authority.host());
        return Refusal::new(StatusCode::FORBIDDEN, reason).into_response();
    }
    let is_page = !request.uri().path().starts_with("/api/");
    if !is_page && is_foreign(headers, &authority) {
        return Refusal::new(StatusCode::FORBIDDEN, "requests of other sites are refused").into_response();
    }
    next.run(request).await
}

pub(super) async fn require_token(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.access.is_allowed(request.headers()) {
        return next.run(request).await;
    }
    let mut response = match request.uri().path() {
        "/" => assets::login_page(),
        _ => {
            let reason = "a token is needed; send it as Authorization: Bearer …";
            Refusal::new(StatusCode::UNAUTHORIZED, reason).into_response()
        }
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    token: String,
}

/// Trades the token for a cookie, since neither a link nor an event stream can carry a header.
pub(super) async fn login(State(shared): State<Arc<Shared>>, Json(login): Json<Login>) -> Response {
    if !shared.access.token.as_ref().is_some_and(|token| token.matches(login.token.as_bytes())) {
        return Refusal::new(StatusCode::UNAUTHORIZED, "wrong token").into_response();
    }
    let value = to_hex(login.token.as_bytes());
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict");
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Headers that every answer has.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    response
}

/// True if a browser says that the request was made by a page of another origin.
fn is_foreign(headers: &HeaderMap, own: &Authority) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origin.split_once("://").is_none_or(|(_, authority)| authority != own.as_str()))
}

fn token_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// A token may have bytes that a cookie may not.
fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(listen: &str) -> Access {
        let listen = listen.parse().expect("an address");
        Access { listen, host_names: vec!["hoga.example".to_owned()], token: None }
    }

    #[test]
    fn own_hosts() {
        let loopback = access("127.0.0.1");
        for own in ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]", "hoga.example"] {
            assert!(loopback.is_own_host(own), "{own}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "10.0.0.5", "", "127.0.0.1.nip.io"] {
            assert!(!loopback.is_own_host(foreign), "{foreign}");
        }
        assert!(access("10.0.0.5").is_own_host("10.0.0.5"));
        assert!(!access("10.0.0.5").is_own_host("10.0.0.6"));
        assert!(access("0.0.0.0").is_own_host("10.0.0.6"));
        assert!(!access("0.0.0.0").is_own_host("evil.example"));
    }

    #[test]
    fn foreign_sites() {
        let own: Authority = "localhost:8080".parse().expect("an authority");
        let foreign = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_foreign(&headers, &own)
        };
        assert!(!is_foreign(&HeaderMap::new(), &own), "curl sends neither header");
        assert!(!foreign("sec-fetch-site", "same-origin"));
        assert!(!foreign("sec-fetch-site", "none"));
        assert!(foreign("sec-fetch-site", "cross-site"));
        assert!(foreign("sec-fetch-site", "same-site"), "another port is the same site");
        assert!(!foreign("origin", "http://localhost:8080"));
        assert!(foreign("origin", "http://localhost:3000"));
        assert!(foreign("origin", "null"));
    }

    #[test]
    fn hex_both_ways() {
        assert_eq!(from_hex(&to_hex(b"\x00 a;\xff")).as_deref(), Some(&b"\x00 a;\xff"[..]));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
