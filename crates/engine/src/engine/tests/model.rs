//! The naive model: what each table and topic must hold, computed from all records that were ever appended.

use std::collections::{BTreeMap, BTreeSet};

pub(super) const DELAY_MS: i64 = 30;
pub(super) const BAR_MS: i64 = 100;
pub(super) const LONG_BAR_MS: i64 = 400;
pub(super) const HOP_MS: (i64, i64) = (200, 50);
/// Values from here on are told in the topic.
pub(super) const ALERT_FROM: i64 = 80;
/// Values below this are filtered away.
pub(super) const LEAST: i64 = 0;
/// Of the keys by their sum, so many are ranked.
pub(super) const RANKS: usize = 2;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) partition: u32,
    pub(super) key: String,
    pub(super) value: i64,
    pub(super) time: i64,
}

/// Everything that can be seen, as sorted text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) rows: Vec<String>,
    pub(super) bars: Vec<String>,
    pub(super) long_bars: Vec<String>,
    pub(super) totals: Vec<String>,
    pub(super) last: Vec<String>,
    /// The totals grouped by their greatest value: how many keys, the sum of sums, the least and the greatest count, how many
    /// different counts.
    pub(super) by_max: Vec<String>,
    /// The keys with the greatest sums.
    pub(super) ranks: Vec<String>,
    pub(super) alerts: Vec<String>,
    pub(super) hops: Vec<String>,
    pub(super) letters: usize,
}

pub(super) fn results(rows: &[Row], letters: usize, partitions: u32, all_windows: bool) -> Results {
    // a partition that never had a row holds all windows back
    let latest = |partition| rows.iter().filter(|row| row.partition == partition).map(|row| row.time).max();
    let latest: Option<Vec<i64>> = (0..partitions).map(latest).collect();
    let watermark = match (all_windows, latest.and_then(|latest| latest.into_iter().min())) {
        (true, _) => i64::MAX,
        (false, Some(latest)) => latest - DELAY_MS - 1,
        (false, None) => i64::MIN,
    };
    let is_over = |end: i64| end - 1 <= watermark;
    let kept: Vec<&Row> = rows.iter().filter(|row| row.value >= LEAST).collect();
    let mut results = Results { letters, ..Results::default() };
    results.rows = kept.iter().map(|row| format!("{} {} {}", row.key, row.value, row.time)).collect();
    let mut bars: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    let mut long_bars: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    let mut totals: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut last: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut hops: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in &kept {
        bars.entry((row.key.clone(), floor(row.time, BAR_MS))).or_default().push(row.value);
        let bar_time = floor(row.time, BAR_MS) + BAR_MS - 1;
        long_bars.entry((row.key.clone(), floor(bar_time, LONG_BAR_MS))).or_default().push(row.value);
        totals.entry(row.key.clone()).or_default().push(row.value);
        let held = last.entry(row.key.clone()).or_insert((row.value, row.time));
        *held = (*held).max((row.value, row.time));
        let (size, slide) = HOP_MS;
        let first = floor(row.time, slide) - size + slide;
        for start in (0..size / slide).map(|n| first + n * slide) {
            hops.entry(start).or_default().push(row.value);
        }
    }
    let sums = |values: &[i64]| {
        let (min, max) = (values.iter().min().copied(), values.iter().max().copied());
        format!("{} {} {} {}", values.len(), values.iter().sum::<i64>(), min.unwrap_or(0), max.unwrap_or(0))
    };
    let closed = |bars: BTreeMap<(String, i64), Vec<i64>>, size: i64| -> Vec<String> {
        let bars = bars.into_iter().filter(|((_, start), _)| is_over(start + size));
        bars.map(|((key, start), values)| format!("{key} {start} {}", sums(&values))).collect()
    };
    results.bars = closed(bars, BAR_MS);
    results.long_bars = closed(long_bars, LONG_BAR_MS);
    results.totals = totals.iter().map(|(key, values)| format!("{key} {}", sums(values))).collect();
    let mut by_max: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for values in totals.values() {
        let max = values.iter().max().copied().unwrap_or(0);
        by_max.entry(max).or_default().push((values.len() as i64, values.iter().sum()));
    }
    let by_max = by_max.into_iter().map(|(max, keys)| {
        let counts: BTreeSet<i64> = keys.iter().map(|(count, _)| *count).collect();
        let (least, most) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
        let sum: i64 = keys.iter().map(|(_, sum)| sum).sum();
        format!("{max} {} {sum} {least} {most} {}", keys.len(), counts.len())
    });
    results.by_max = by_max.collect();
    let mut ranked: Vec<(i64, String)> =
        totals.iter().map(|(key, values)| (-values.iter().sum::<i64>(), key.clone())).collect();
    ranked.sort();
    let ranked = ranked.iter().take(RANKS).enumerate();
    results.ranks = ranked.map(|(rank, (sum, key))| format!("{} {key} {}", rank + 1, -sum)).collect();
    results.last = last.into_iter().map(|(key, (value, _))| format!("{key} {value}")).collect();
    let alerts = kept.iter().filter(|row| row.value >= ALERT_FROM);
    results.alerts = alerts.map(|row| format!("{{\"k\":\"{}\",\"v\":{}}}", row.key, row.value)).collect();
    let hops = hops.into_iter().filter(|(start, _)| is_over(start + HOP_MS.0));
    let sum = |values: &[i64]| values.iter().sum::<i64>();
    results.hops = hops.map(|(_, values)| format!("{{\"n\":{},\"s\":{}}}", values.len(), sum(&values))).collect();
    results.sort();
    results
}

impl Results {
    pub(super) fn sort(&mut self) {
        for list in [
            &mut self.rows,
            &mut self.bars,
            &mut self.long_bars,
            &mut self.totals,
            &mut self.last,
            &mut self.by_max,
            &mut self.ranks,
            &mut self.alerts,
            &mut self.hops,
        ] {
            list.sort();
        }
    }
}

fn floor(time: i64, step: i64) -> i64 {
    time - time.rem_euclid(step)
}
