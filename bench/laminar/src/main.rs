//! `laminar-bars LEVEL NUMBERS BATCH_ROWS FILE`: the trades of a file, one JSON object a line, into one-minute bars by the laminar-db crate.
//!
//! The clock runs from the first batch, with the query planned and started, to the last bar. LEVEL `json`: it includes reading the lines and decoding them by
//! the crate's own decoder, which its connectors use too. LEVEL `typed`: Arrow batches are made before. NUMBERS `double` or `decimal`. On stdout: one line with
//! the seconds, the CPU seconds and the memory of the run, then one line a bar. Nothing is written to disk and no checkpoint is made.

mod bars;
mod replay;
mod usage;

use bars::{Bars, Numbers};
use laminar_db::{LaminarDB, TypedSubscriptionFrame};
use replay::{Feed, Level, Shared};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use usage::Usage;

/// A run that gives no bar for so long is over, whether or not all trades are in its bars.
const QUIET: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [level, numbers, batch_rows, file] = words.as_slice() else {
        return Err("laminar-bars json|typed double|decimal BATCH_ROWS FILE".into());
    };
    let (level, numbers, batch_rows): (Level, Numbers, usize) = (level.parse()?, numbers.parse()?, batch_rows.parse()?);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _context = runtime.enter();
    let shared = Shared::default();
    let db = runtime.block_on(database(&shared, numbers))?;
    let schema = db.source_untyped("trades")?.schema().clone();
    let (feed, trades) = Feed::open(file.as_ref(), level, schema, batch_rows)?;
    runtime.block_on(db.start())?;
    let mut results = runtime.block_on(db.subscribe::<Bars>("bars"))?;

    usage::forget_peak()?;
    let (before, began) = (Usage::now()?, Instant::now());
    shared.put(feed);
    let (mut found, mut counted, mut last) = (Vec::new(), 0, began);
    while counted < trades {
        let Ok(frame) = runtime.block_on(async { tokio::time::timeout(QUIET, results.next_frame()).await }) else {
            break;
        };
        let Some(TypedSubscriptionFrame::Rows { rows, .. }) = frame? else { break };
        last = Instant::now();
        for batch in rows {
            counted += batch.trades();
            found.push(batch);
        }
    }
    let after = Usage::now()?;
    if counted < trades {
        eprintln!("the pipeline is {} ({:?})", db.pipeline_state(), db.last_fault());
    }
    let seconds = last.duration_since(began).as_secs_f64();
    println!(
        "{seconds} {} {} {} {trades} {counted}",
        after.cpu_seconds - before.cpu_seconds,
        after.peak_mb,
        before.resident_mb
    );
    found.iter().for_each(Bars::print);
    runtime.block_on(db.shutdown())?;
    Ok(())
}

async fn database(shared: &Shared, numbers: Numbers) -> Result<Arc<LaminarDB>, Box<dyn Error>> {
    let shared = shared.clone();
    let db = LaminarDB::builder()
        .register_connector(move |registry| replay::register(registry, shared))
        // the row that closes the last windows is centuries ahead
        .event_time_max_future_skew(Duration::ZERO)
        .build()
        .await?;
    db.execute(&numbers.source()).await?;
    db.execute(&numbers.stream()).await?;
    Ok(db)
}
