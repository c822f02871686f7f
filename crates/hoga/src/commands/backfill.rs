//! `hoga backfill`: asks a running hoga for trades of the past, and shows how far they are.
//!
//! The request is the same each time and is answered with its progress, so this command keeps nothing: it can be ended and begun again.

use crate::cli::BackfillArgs;
use crate::commands::page::PageClient;
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
    let (from_ms, to_ms) = times::span(&args.span, now_ms)?;
    let Some(from_ms) = from_ms else { return Err(Failure::user("--from is missing")) };
    let to_ms = to_ms.unwrap_or(now_ms).min(now_ms);
    let request = BackfillRequest { markets: args.markets.clone(), from_ms, to_ms };
    let page = PageClient::of(&args.page)?;
    let first = ask(&page, &request).await?;
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
    let last = wait(&page, &request, first).await?;
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
    page: &PageClient,
    request: &BackfillRequest,
    first: BackfillProgress,
) -> Result<BackfillProgress, Failure> {
    let mut progress = first;
    let mut told = (Instant::now(), progress.waiting);
    let mut seen = Instant::now();
    while progress.waiting > 0 {
        tokio::time::sleep(POLL_INTERVAL).await;
        match ask(page, request).await {
            Ok(next) => {
                progress = next;
                seen = Instant::now();
            }
            Err(failure) if failure.is_external() && seen.elapsed() < AWAY_MAX => {
                if told.0.elapsed() >= TELL_INTERVAL {
                    told.0 = Instant::now();
                    tell(&format!("backfill: waiting for hoga: {}", failure.message()));
                }
                continue;
            }
            Err(failure) => return Err(failure),
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

async fn ask(page: &PageClient, request: &BackfillRequest) -> Result<BackfillProgress, Failure> {
    let answer = page.post("/api/backfill", request, Some(REQUEST_TIMEOUT)).await?;
    let text = answer.text().await;
    let text = text.map_err(|error| Failure::external(format!("the answer broke off: {}", with_causes(&error))))?;
    serde_json::from_str(&text).map_err(|error| Failure::user(format!("the page answers something else: {error}")))
}

fn tell(text: &str) {
    // who has closed standard error does not want to be told
    let _ = writeln!(std::io::stderr(), "{text}");
}
