//! Windows at their edges, against a naive model and in zones whose clocks jump.

use super::*;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn clock(zone: &str) -> WallClock {
    WallClock(Some(zone.parse().expect("a zone")))
}

fn slicing(shape: WindowShape) -> Slicing {
    Slicing::of(shape).expect("no session")
}

/// An instant or a time of the clock, as it is read.
fn at(text: &str) -> i64 {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time").and_utc().timestamp_millis()
}

#[test]
fn clocks_that_jump() {
    let new_york = clock("America/New_York");
    // 2024-03-10: 02:00 EST becomes 03:00 EDT at 07:00 UTC
    assert_eq!(new_york.local_ms(at("2024-03-10 06:59")), at("2024-03-10 01:59"));
    assert_eq!(new_york.local_ms(at("2024-03-10 07:00")), at("2024-03-10 03:00"));
    assert_eq!(new_york.instant_ms(at("2024-03-10 02:30")), at("2024-03-10 07:00"), "never shown: the jump");
    assert_eq!(new_york.instant_ms(at("2024-03-10 03:00")), at("2024-03-10 07:00"));
    // 2024-11-03: 02:00 EDT becomes 01:00 EST at 06:00 UTC, so 01:30 is shown at 05:30 and at 06:30 UTC
    assert_eq!(new_york.local_ms(at("2024-11-03 05:30")), at("2024-11-03 01:30"));
    assert_eq!(new_york.local_ms(at("2024-11-03 06:30")), at("2024-11-03 01:30"));
    assert_eq!(new_york.instant_ms(at("2024-11-03 01:30")), at("2024-11-03 06:30"), "shown twice: the later");
    assert_eq!(clock("Asia/Seoul").local_ms(at("2024-11-03 15:00")), at("2024-11-04 00:00"));
    assert_eq!(clock("Asia/Seoul").instant_ms(at("2024-11-04 00:00")), at("2024-11-03 15:00"));
    assert_eq!(WallClock(None).instant_ms(17), 17);
}

#[test]
fn a_day_in_seoul_starts_at_its_midnight() {
    let day = slicing(WindowShape::Tumble { size_ms: 24 * 60 * MINUTE, offset_ms: 0 });
    let local = clock("Asia/Seoul").local_ms(at("2024-11-03 15:00"));
    let span = day.slice_at(day.slice_start(local));
    assert_eq!(span, Span { start: at("2024-11-04 00:00"), end: at("2024-11-05 00:00") });
}

#[test]
fn the_edges_of_a_minute() {
    let minute = slicing(WindowShape::Tumble { size_ms: MINUTE, offset_ms: 0 });
    assert_eq!([0, 59_999, 60_000, -1].map(|time| minute.slice_start(time)), [0, 0, 60_000, -60_000]);
    let shifted = slicing(WindowShape::Tumble { size_ms: MINUTE, offset_ms: 20_000 });
    assert_eq!([0, 19_999, 20_000].map(|time| shifted.slice_start(time)), [-40_000, -40_000, 20_000]);
}

fn windows(shape: WindowShape, time: i64) -> Vec<(i64, i64)> {
    let slicing = slicing(shape);
    let slice = slicing.slice_at(slicing.slice_start(time));
    let windows: Vec<_> = slicing.windows_of(slice).map(|window| (window.start, window.end)).collect();
    assert_eq!(windows.last().map(|window| window.1), Some(slicing.last_end(slice)));
    windows
}

#[test]
fn windows_of_a_time() {
    let hop = WindowShape::Hop { size_ms: 30, slide_ms: 10, offset_ms: 0 };
    assert_eq!(windows(hop, 25), [(0, 30), (10, 40), (20, 50)]);
    let cumulate = WindowShape::Cumulate { max_size_ms: 30, step_ms: 10, offset_ms: 0 };
    assert_eq!(windows(cumulate, 5), [(0, 10), (0, 20), (0, 30)]);
    assert_eq!(windows(cumulate, 25), [(0, 30)]);
    assert_eq!(windows(cumulate, 35), [(30, 40), (30, 50), (30, 60)]);
}

proptest! {
    #[test]
    fn a_window_holds_its_times(time in -10_000_i64..10_000, slide in 1_i64..50, count in 1_i64..8, offset in -60_i64..60) {
        for shape in [
            WindowShape::Tumble { size_ms: slide, offset_ms: offset },
            WindowShape::Hop { size_ms: slide * count, slide_ms: slide, offset_ms: offset },
            WindowShape::Cumulate { max_size_ms: slide * count, step_ms: slide, offset_ms: offset },
        ] {
            let found = windows(shape, time);
            let naive = |start: i64, end: i64| start <= time && time < end;
            let expected: Vec<(i64, i64)> = match shape {
                WindowShape::Tumble { .. } => (-11_000..11_000).filter(|start| (start - offset) % slide == 0)
                    .map(|start| (start, start + slide)).filter(|w| naive(w.0, w.1)).collect(),
                WindowShape::Hop { .. } => (-11_000..11_000).filter(|start| (start - offset) % slide == 0)
                    .map(|start| (start, start + slide * count)).filter(|w| naive(w.0, w.1)).collect(),
                _ => (-11_000..11_000).filter(|start| (start - offset) % (slide * count) == 0)
                    .flat_map(|start| (1..=count).map(move |n| (start, start + n * slide))).filter(|w| naive(w.0, w.1)).collect(),
            };
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn many_instants_at_once(first in 0_i64..2_000_000_000_000, gaps in prop::collection::vec(0_i64..100_000_000, 0..20)) {
        let instants: Vec<i64> = gaps.iter().map(|gap| first + gap).collect();
        for zone in ["America/New_York", "Asia/Seoul", "Australia/Lord_Howe"] {
            let clock = clock(zone);
            let expected: Vec<i64> = instants.iter().map(|instant| clock.local_ms(*instant)).collect();
            prop_assert_eq!(clock.local_all(&instants), expected);
        }
    }
}
