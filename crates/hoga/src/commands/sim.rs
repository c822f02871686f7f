//! `hoga sim`: the simulated exchange as a process of its own.

use crate::cli::SimArgs;
use crate::config::parse_duration;
use crate::failure::Failure;
use hoga_model::time::SystemClock;
use hoga_upbit::sim::{self, SimConfig, SimFault};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "the command's result")]
pub fn run(args: SimArgs) -> Result<(), Failure> {
    crate::up::start_tracing("info")?;
    let mut config = SimConfig {
        listen: args.listen,
        markets: args.markets,
        rate: args.rate,
        seed: args.seed,
        truth: args.truth,
        ..SimConfig::default()
    };
    let time = |option, text: &str| {
        parse_duration(text).map_err(|hint| Failure::user(format!("{option}: \"{text}\" is not valid: {hint}")))
    };
    if let Some(text) = args.duration {
        config.duration = Some(time("--duration", &text)?);
    }
    if let Some(text) = args.grace {
        config.grace = time("--grace", &text)?;
    }
    for text in args.fault {
        let faults = SimFault::parse_list(&text).map_err(|error| Failure::user(format!("--fault: {error}")))?;
        config.faults.extend(faults);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        crate::up::topology::stop_on_signals(&cancel)?;
        let running = sim::serve(config, Arc::new(SystemClock), cancel).await.map_err(|error| Failure::of(&error))?;
        println!("simulated exchange: not Upbit");
        println!("  HOGA_UPBIT_WS_URL={}", running.ws_url());
        println!("  HOGA_UPBIT_REST_URL={}", running.rest_url());
        let stats = running.join().await.map_err(|error| Failure::of(&error))?;
        println!("made {} events, {} of them trades", stats.events(), stats.trades);
        Ok(())
    })
}
