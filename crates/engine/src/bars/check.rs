//! One look: some touched bars of one day against their trades, all tables at one moment.

use super::bits::{Bits, Size};
use super::decide::{Decision, Found, Minutes, State, Values, bar_of, decide, overlaps};
use super::read::{Extent, bars_of_table, holes, minutes_of_trades};
use super::touched::Taken;
use crate::checkpoint::Offsets;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::query::QueryService;
use hoga_model::number::format_decimal;
use hoga_model::time::MS_PER_DAY;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// Markets of one day in one look: what it holds in memory is at most their 1,440 minutes and bars.
const MARKETS_MAX: usize = 32;

/// What a look found. Nothing is settled before [`Pass::settle`].
#[derive(Debug, Default)]
pub struct Pass {
    pub corrections: Vec<Correction>,
    pub bars_checked: usize,
    /// Bars in a table that no trade explains.
    pub unexplained: usize,
    right: Vec<(Taken, Bits)>,
}

impl Pass {
    /// Bars that were seen right are not looked at again. Those of the corrections are, when they are in the tables.
    pub fn settle(&self, engine: &Engine) {
        let Some(bars) = engine.flow.bars() else { return };
        self.right.iter().for_each(|(taken, right)| bars.touched.settle(taken, *right));
    }

    /// Corrections that are not this process's to write are left out, and their bars settled as they are.
    pub fn leave(&mut self, is_ours: impl Fn(&Correction) -> bool) {
        let (ours, left) = std::mem::take(&mut self.corrections).into_iter().partition(is_ours);
        self.corrections = ours;
        let left: Vec<Correction> = left;
        for correction in &left {
            let right = self.right.iter_mut().find(|(taken, _)| taken.market == correction.market);
            let bar = correction.start_ms.rem_euclid(MS_PER_DAY) / correction.size.ms();
            if let (Some((_, right)), Ok(bar)) = (right, usize::try_from(bar)) {
                right.add(correction.size, bar, bar);
            }
        }
    }

    /// Behind whom the next look begins.
    pub fn last(&self) -> Option<(i64, String)> {
        self.right.last().map(|(taken, _)| (taken.day, taken.market.clone()))
    }
}

/// A bar as it must be: what a record of the topic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    pub market: String,
    pub size: Size,
    pub start_ms: i64,
    values: Values,
    state: State,
}

impl Correction {
    /// The record's value: the columns of `bar_topic`, numbers without an exponent.
    pub fn to_json(&self) -> Vec<u8> {
        let Correction { market, size, start_ms, values, state } = self;
        let market = serde_json::Value::from(market.as_str());
        let mut text = format!(
            r#"{{"market":{market},"size":"{}","window_start":{start_ms},"window_end":{}"#,
            size.name(),
            start_ms + size.ms()
        );
        for (name, units, scale) in [
            ("open", values.open, 8),
            ("high", values.high, 8),
            ("low", values.low, 8),
            ("close", values.close, 8),
            ("volume", values.volume, 8),
            ("turnover", values.turnover, 16),
            ("buy_volume", values.buy_volume, 8),
        ] {
            let number = units.map_or_else(|| "null".to_owned(), |units| format_decimal(units, scale));
            // writing into a String cannot fail
            let _ = write!(text, r#","{name}":{number}"#);
        }
        let _ = write!(text, r#","trade_count":{},"state":"{}"}}"#, values.trade_count, state.as_str());
        text.into_bytes()
    }
}

impl Engine {
    /// Where the topic that the trades come from ends now. None: the pipeline makes no bars.
    pub fn trade_ends(&self) -> Result<Option<Offsets>, EngineError> {
        let Some(bars) = self.flow.bars() else { return Ok(None) };
        self.flow.ends_of(bars.nodes.trades).map(Some)
    }

    /// Whether all trades before these ends are in the tables.
    pub fn has_trades(&self, ends: &Offsets) -> bool {
        self.flow.bars().is_none_or(|bars| self.flow.has_read_to(bars.nodes.trades, ends))
    }

    /// Looks at touched bars that are over, of some markets of one day, behind the market and day of `after`. None: there is nothing to look at,
    /// or corrections that were written are not in the tables yet, or the pipeline makes no bars.
    pub async fn check_bars(
        &self,
        queries: &QueryService,
        after: Option<&(i64, String)>,
    ) -> Result<Option<Pass>, EngineError> {
        let Some(bars) = self.flow.bars() else { return Ok(None) };
        if !self.flow.has_read(bars.nodes.corrections)? {
            return Ok(None);
        }
        let begun = tokio::task::block_in_place(|| {
            let taken = bars.touched.take(&self.flow.closed_ms(&bars.nodes.windows), after, MARKETS_MAX);
            if !taken.is_empty() {
                // rows that a bar has, or that touched one, are in the trade table when their step is over
                self.flow.wait_for_steps();
            }
            taken
        });
        if begun.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::pin(look(queries, begun, bars.nodes.gap_sink.is_some())).await?))
    }
}

async fn look(queries: &QueryService, taken: Vec<Taken>, has_gaps: bool) -> Result<Pass, EngineError> {
    let session = queries.session()?;
    let day_ms = taken.first().map_or(0, |taken| taken.day * MS_PER_DAY);
    let markets: Vec<&str> = taken.iter().map(|taken| taken.market.as_str()).collect();
    let extent = |from_ms: i64, to_ms: i64| Extent { markets: &markets, day_ms, from_ms, to_ms };
    let minutes_due = span(&taken, day_ms, &[Size::M1]);
    let all_due = span(&taken, day_ms, &Size::ALL);
    let mut of_trades = HashMap::new();
    if let Some((from_ms, to_ms)) = minutes_due {
        of_trades = minutes_of_trades(&session, &extent(from_ms, to_ms)).await?;
    }
    let mut tables: Tables = BTreeMap::new();
    for size in Size::ALL {
        // longer bars are made of the minutes
        let wanted = if size == Size::M1 { all_due } else { span(&taken, day_ms, &[size]) };
        if let Some((from_ms, to_ms)) = wanted {
            tables.insert(size, bars_of_table(&session, size, &extent(from_ms, to_ms)).await?);
        }
    }
    let mut holes_of = HashMap::new();
    if let Some((from_ms, to_ms)) = all_due.filter(|_| has_gaps) {
        holes_of = holes(&session, &extent(from_ms, to_ms)).await?;
    }
    let mut pass = Pass::default();
    for taken in taken {
        let minutes = minutes(&taken, &of_trades, &tables);
        let holes = holes_of.get(&taken.market).map_or(&[][..], Vec::as_slice);
        let mut right = Bits::NONE;
        for size in Size::ALL {
            for bar in taken.due.bars(size) {
                let start_ms = day_ms + bar as i64 * size.ms();
                let wanted = bar_of(&minutes, size, bar);
                let found = tables.get(&size).and_then(|table| table.get(&taken.market)?.get(&bar));
                pass.bars_checked += 1;
                match decide(wanted, found, overlaps(holes, start_ms, start_ms + size.ms())) {
                    Decision::Write(state) => {
                        let (market, values) = (taken.market.clone(), wanted.unwrap_or_default());
                        pass.corrections.push(Correction { market, size, start_ms, values, state });
                        continue;
                    }
                    Decision::Unexplained => pass.unexplained += 1,
                    Decision::Right => {}
                }
                right.add(size, bar, bar);
            }
        }
        pass.right.push((taken, right));
    }
    Ok(pass)
}

type Tables = BTreeMap<Size, HashMap<String, BTreeMap<usize, Found>>>;

/// A market's minutes as they must be: those that were touched from their trades, the others from the table, where they are right.
fn minutes(taken: &Taken, of_trades: &HashMap<String, Minutes>, tables: &Tables) -> Minutes {
    let table = tables.get(&Size::M1).and_then(|table| table.get(&taken.market)).into_iter().flatten();
    let untouched = table.filter(|(minute, _)| !taken.due.has(Size::M1, **minute));
    let mut minutes: Minutes = untouched.map(|(minute, found)| (*minute, found.values)).collect();
    let touched = of_trades.get(&taken.market).into_iter().flatten();
    minutes.extend(touched.filter(|(minute, _)| taken.due.has(Size::M1, **minute)));
    minutes
}

/// From the first of the bars of these sizes to the end of the last; None if there is none.
fn span(taken: &[Taken], day_ms: i64, sizes: &[Size]) -> Option<(i64, i64)> {
    let mut span: Option<(i64, i64)> = None;
    for size in sizes {
        for bar in taken.iter().flat_map(|taken| taken.due.bars(*size)) {
            let start_ms = day_ms + bar as i64 * size.ms();
            let (from_ms, to_ms) = span.unwrap_or((start_ms, start_ms));
            span = Some((from_ms.min(start_ms), to_ms.max(start_ms + size.ms())));
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_says_the_numbers_as_they_are() {
        let values = Values {
            open: Some(9_136_100_000_000_000),
            high: Some(1),
            low: Some(-100_000_000),
            close: None,
            volume: Some(12_345),
            turnover: Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
            trade_count: 3,
            buy_volume: Some(0),
        };
        let market = "KRW-\"X".to_owned();
        let correction = Correction { market, size: Size::M5, start_ms: 600_000, values, state: State::Incomplete };
        let expected = r#"{"market":"KRW-\"X","size":"5m","window_start":600000,"window_end":900000,"open":91361000,"high":0.00000001,"low":-1,"close":null,"volume":0.00012345,"turnover":9999999999999999999999.9999999999999999,"buy_volume":0,"trade_count":3,"state":"incomplete"}"#;
        assert_eq!(String::from_utf8(correction.to_json()).expect("text"), expected);
    }
}
