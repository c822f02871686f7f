//! Crashes by seed: whatever stops the engine and whenever, every result is there once, as a naive model has it.
//!
//! A seed that fails is run again alone with `HOGA_SEED=…`; `HOGA_SEEDS=first..end` runs others than the usual ones.

mod bars;
mod model;
mod world;

use super::*;
use crate::flow::by_hand;
use world::{Dice, World};

/// As many as a minute or two allow.
const SEEDS: std::ops::Range<u64> = 0..1_000;
const STEPS: usize = 40;
/// Worlds that run at once.
const THREADS: u64 = 4;

fn seeds() -> std::ops::Range<u64> {
    let one = std::env::var("HOGA_SEED").ok().and_then(|text| text.parse().ok()).map(|seed: u64| seed..seed + 1);
    let some = || {
        let text = std::env::var("HOGA_SEEDS").ok()?;
        let (first, end) = text.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    };
    one.or_else(some).unwrap_or(SEEDS)
}

#[test]
fn every_result_once_whatever_crashes() {
    let seeds = seeds();
    let run = |thread: u64| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut seen = world::Seen::default();
        for seed in seeds.clone().filter(|seed| seed % THREADS == thread) {
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                // a worker of the runtime, which may block
                let world = async move { tokio::spawn(simulate(seed)).await };
                runtime.block_on(world).unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }));
            match told {
                Ok(one) => seen += one,
                Err(reason) => {
                    let text = reason.downcast_ref::<String>().map_or("", String::as_str);
                    panic!(
                        "seed {seed} fails; run it alone with: HOGA_SEED={seed} cargo test --release --workspace every_result_once\n{text}"
                    );
                }
            }
        }
        seen
    };
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        let mut all = world::Seen::default();
        for thread in threads {
            match thread.join() {
                Ok(seen) => all += seen,
                Err(reason) => std::panic::resume_unwind(reason),
            }
        }
        all
    });
    // a simulation in which nothing happens proves nothing
    if seeds.end - seeds.start >= 100 {
        assert!(all.is_rich(), "{all:?}");
    }
    eprintln!("{} seeds: {all:?}", seeds.end - seeds.start);
}

async fn simulate(seed: u64) -> world::Seen {
    let mut dice = Dice::new(seed);
    let mut world = World::new(&mut dice).await;
    let is_alone = std::env::var_os("HOGA_SEED").is_some();
    for step in 0..STEPS {
        let what = dice.roll(20);
        if is_alone {
            eprintln!("step {step}: {what}");
        }
        match what {
            0..=5 => world.append(&mut dice),
            6..=9 => world.step(&mut dice),
            10 | 11 => world.checkpoint().await,
            12 => world.begin_checkpoint().await,
            13 => world.write_checkpoint().await,
            14 => world.fail_checkpoint(&mut dice).await,
            15 => world.crash().await,
            16 => world.crash_inside_a_step(&mut dice).await,
            17 => world.tear_the_state_and_mend_it(&mut dice).await,
            _ => world.check(seed).await,
        }
    }
    world.check(seed).await;
    world.checkpoint().await;
    world.check(seed).await;
    world.crash().await;
    world.check(seed).await;
    world.seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_checkpoint_folder_is_refused_not_doubled() {
    let mut dice = Dice::new(3);
    let mut world = World::new(&mut dice).await;
    world.append(&mut dice);
    world.append(&mut dice);
    world.catch_up();
    world.checkpoint().await;
    world.stop();
    std::fs::remove_dir_all(world.path("checkpoints")).expect("the folder");
    let opened = world.open().await;
    assert!(matches!(opened.map(|_| ()), Err(EngineError::CheckpointLost { committed: 1, newest: 0, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_pipeline_ends_by_itself() {
    let mut dice = Dice::new(5);
    let mut world = World::new(&mut dice).await;
    for _ in 0..20 {
        world.append(&mut dice);
    }
    world.stop();
    world.is_bounded = true;
    world.start().await;
    let engine = world.engine();
    let ended = tokio::time::timeout(Duration::from_secs(60), engine.run(CancellationToken::new())).await;
    ended.expect("it ends").expect("well");
    assert_eq!(engine.checkpoints().completed.get(), 1);
    assert!(!engine.has_news() && engine.tables().iter().all(|table| table.tail_rows() == 0), "all is committed");
    world.check_all_windows(5).await;
}
