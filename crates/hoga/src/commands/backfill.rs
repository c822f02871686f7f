//! `hoga backfill`: asks a running hoga for trades of the past, and shows how far they are.
//!
//! The request is the same each time and is answered with its progress, so this command keeps nothing: it can be ended and begun again.

use crate::cli::BackfillArgs;
use crate::commands::times;
use crate::failure::{Failure, with_causes};
use crate::output;
use hoga_model::time::{Clock, SystemClock, utc_iso};
use hoga_serve::http::backfill::{BackfillProgress, BackfillRequest};
use std::io::Write as _;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Progress is told at most so often.
const TELL_INTERVAL: Duration = Duration::from_secs(2);
/// A hoga that was there and is not is waited for: it may be starting again, and goes on by itself.
const AWAY_MAX: Duration = Duration::from_secs(120);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub fn run(args: &BackfillArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            result = follow(args) => result,
            _ = tokio::signal::ctrl_c() => {
                tell("hoga goes on with it; the same command shows it again");
                Ok(())
            }
        }
    })
}

async fn follow(args: &BackfillArgs) -> Result<(), Failure> {
    let now_ms = SystemClock.now_ms();
    let from_ms = times::instant("--from", &args.from, now_ms)?;
    let to_ms = args.to.as_deref().map(|text| times::instant("--to", text, now_ms)).transpose()?.unwrap_or(now_ms);
    let request = BackfillRequest { markets: args.markets.clone(), from_ms, to_ms: to_ms.min(now_ms) };
    let client = Client::new(args)?;
    let first = client.ask(&request).await.map_err(Refused::into_failure)?;
    tell(&format!(
        "backfill: {} markets from {} to {}: {} hours, {} done before",
        first.markets,
        utc_iso(from_ms),
        utc_iso(request.to_ms),
        first.chunks,
        first.chunks - first.waiting
    ));
    if args.no_wait {
        return output::line!(
            "{} hours wait; the same command without --no-wait shows how far they are",
            first.waiting
        );
    }
    let last = wait(&client, &request, first).await?;
    output::line!("{} trades were missing and are there now, of {} markets", last.trades_repaired, last.markets)?;
    match last.lost {
        0 => Ok(()),
        lost => {
            Err(Failure::found(format!("{lost} of {} hours are older than the exchange can tell by now", last.chunks)))
        }
    }
}

/// Until nothing waits any more.
async fn wait(
    client: &Client,
    request: &BackfillRequest,
    first: BackfillProgress,
) -> Result<BackfillProgress, Failure> {
    let mut progress = first;
    let mut told = (Instant::now(), progress.waiting);
    let mut seen = Instant::now();
    while progress.waiting > 0 {
        tokio::time::sleep(POLL_INTERVAL).await;
        match client.ask(request).await {
            Ok(next) => {
                progress = next;
                seen = Instant::now();
            }
            Err(Refused::Away(reason)) if seen.elapsed() < AWAY_MAX => {
                if told.0.elapsed() >= TELL_INTERVAL {
                    told.0 = Instant::now();
                    tell(&format!("backfill: waiting for hoga: {reason}"));
                }
                continue;
            }
            Err(refused) => return Err(refused.into_failure()),
        }
        if told.0.elapsed() >= TELL_INTERVAL && (told.1 != progress.waiting || progress.failing) {
            told = (Instant::now(), progress.waiting);
            let done = progress.chunks - progress.waiting;
            let failing = if progress.failing { "; the exchange does not answer now" } else { "" };
            tell(&format!(
                "backfill: {done} of {} hours, {} trades{failing}",
                progress.chunks, progress.trades_repaired
            ));
        }
    }
    Ok(progress)
}

struct Client {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// Why there is no answer.
enum Refused {
    /// Nobody answers, or not now.
    Away(String),
    Mistake(String),
}

impl Refused {
    fn into_failure(self) -> Failure {
        match self {
            Refused::Away(reason) => Failure::external(reason),
            Refused::Mistake(reason) => Failure::user(reason),
        }
    }
}

impl Client {
    fn new(args: &BackfillArgs) -> Result<Client, Failure> {
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build();
        let client = client.map_err(|error| Failure::external(format!("cannot make an HTTP client: {error}")))?;
        let address = args.http.trim_start_matches("http://").trim_end_matches('/');
        Ok(Client { client, url: format!("http://{address}/api/backfill"), token: args.http_token.clone() })
    }

    async fn ask(&self, request: &BackfillRequest) -> Result<BackfillProgress, Refused> {
        let body = serde_json::to_string(request).map_err(|error| Refused::Mistake(error.to_string()))?;
        let mut asked = self.client.post(&self.url).header("content-type", "application/json").body(body);
        if let Some(token) = &self.token {
            asked = asked.bearer_auth(token);
        }
        let away = |error: reqwest::Error| {
            Refused::Away(format!(
                "no hoga answers at {} ({}); start one with: hoga up, or name its page with --http",
                self.url,
                with_causes(&error)
            ))
        };
        let answer = asked.send().await.map_err(away)?;
        let status = answer.status();
        let text = answer.text().await.map_err(away)?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|error| Refused::Mistake(format!("{} answers something else: {error}", self.url)));
        }
        let reason = serde_json::from_str::<serde_json::Value>(&text).ok();
        let reason = reason.as_ref().and_then(|value| value.get("error")?.as_str()).unwrap_or(&text);
        match status.as_u16() {
            401 => Err(Refused::Mistake(format!("{} asks for a token; give it as HOGA_HTTP_TOKEN", self.url))),
            400 => Err(Refused::Mistake(reason.to_owned())),
            404 | 405 => Err(Refused::Mistake(format!("{} is none of this version's: {reason}", self.url))),
            _ => Err(Refused::Away(format!("{}: {reason}", self.url))),
        }
    }
}

fn tell(text: &str) {
    // who has closed standard error does not want to be told
    let _ = writeln!(std::io::stderr(), "{text}");
}
