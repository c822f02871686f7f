//! What goes on beside the pipeline: retention, the samples that rates are computed from, pages of the program that are not needed.

use super::program_pages;
use hoga_log::DiskLog;
use hoga_model::time::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// By then tables are open, statements are planned, the exchange is connected.
const START_IS_OVER_AFTER: Duration = Duration::from_secs(20);
/// What runs now and then, such as the merging of files, leaves pages mapped too. Mapping again what is needed costs a millisecond or two.
const PAGES_INTERVAL: Duration = Duration::from_secs(30);

/// Until `cancel`.
pub async fn run(
    disk: Option<Arc<DiskLog>>,
    clock: Arc<dyn Clock>,
    sample: impl Fn() + Clone + Send + 'static,
    cancel: CancellationToken,
) {
    let mut retention = tokio::time::interval(RETENTION_INTERVAL);
    let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
    let mut pages = tokio::time::interval_at(tokio::time::Instant::now() + START_IS_OVER_AFTER, PAGES_INTERVAL);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = samples.tick() => {
                // a cluster is asked over the network
                if let Err(error) = tokio::task::spawn_blocking(sample.clone()).await {
                    tracing::error!(%error, "sampling ended badly");
                }
            }
            _ = retention.tick() => {
                let (Some(log), now_ms) = (disk.clone(), clock.now_ms()) else { continue };
                match tokio::task::spawn_blocking(move || log.enforce_retention(now_ms)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::error!(%error, "retention failed; it is tried again in a minute"),
                    Err(error) => tracing::error!(%error, "retention ended badly"),
                }
            }
            _ = pages.tick() => {
                // the kernel writes down every mapping: some milliseconds, which no query waits for
                match tokio::task::spawn_blocking(program_pages::give_back).await {
                    Ok(bytes) => tracing::debug!(bytes, "pages of the program that are not needed just now are given back"),
                    Err(error) => tracing::error!(%error, "giving pages back ended badly"),
                }
            }
        }
    }
}
