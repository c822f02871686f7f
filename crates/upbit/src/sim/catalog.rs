//! Which markets the simulated exchange lists: real coins by their real names first, made-up ones (SIM001 …) after them.
//!
//! Pure. In: how many, and in which quote currencies. Out: listings in order of activity, start prices on a tick.

use super::tick::{self, ONE, Quote, SCALE};
use hoga_model::{Market, MarketInfo, number};

/// More markets than Upbit has (855) with room for a stress test.
pub const MARKETS_MAX: usize = 5_000;

/// A lower start would leave no room for 30 bids below it, nor for a price that falls.
const START_TICKS_MIN: i64 = 40;

/// One in this many markets is 유의 (18 of 855 on 2026-09-23), never one of the best known.
const WARNING_ONE_IN: usize = 47;

/// base, Korean name, English name, price in KRW; see the file's head for where they are from.
const COINS: &str = include_str!("coins.tsv");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub info: MarketInfo,
    pub quote: Quote,
    /// In units of 10^-8 of the quote currency.
    pub start_price: i64,
}

/// The first `count` markets: coin by coin, for each coin its quote currencies in the order given.
pub fn listings(count: usize, quotes: &[Quote]) -> Vec<Listing> {
    let known = COINS.lines().filter(|line| !line.starts_with('#')).filter_map(Coin::parse);
    let made_up = (1..).map(Coin::made_up);
    let pairs = known.chain(made_up).flat_map(|coin| quotes.iter().map(move |quote| (coin.clone(), *quote)));
    let listings = pairs.filter_map(|(coin, quote)| coin.listing(quote)).take(count.min(MARKETS_MAX));
    let marked = listings.enumerate().map(|(index, mut listing)| {
        listing.info.warning = index % WARNING_ONE_IN == WARNING_ONE_IN - 1;
        listing
    });
    marked.collect()
}

#[derive(Debug, Clone)]
struct Coin {
    base: String,
    korean_name: String,
    english_name: String,
    price_krw: i64,
}

impl Coin {
    fn parse(line: &str) -> Option<Coin> {
        let mut cells = line.split('\t').map(str::to_owned);
        let (base, korean_name, english_name) = (cells.next()?, cells.next()?, cells.next()?);
        let price_krw = i64::try_from(number::parse_decimal(&cells.next()?, 18, SCALE).ok()?).ok()?;
        Some(Coin { base, korean_name, english_name, price_krw })
    }

    fn made_up(index: i64) -> Coin {
        Coin {
            base: format!("SIM{index:03}"),
            korean_name: format!("심{index:03}"),
            english_name: format!("Simulated {index:03}"),
            // 17 KRW to 9,800 KRW, so that all the tick sizes of small coins occur
            price_krw: (17 + index * 7_919 % 9_800) * ONE,
        }
    }

    /// None for a coin against itself.
    fn listing(&self, quote: Quote) -> Option<Listing> {
        let market = Market::parse(&format!("{}-{}", quote.as_str(), self.base)).ok()?;
        if self.base == quote.as_str() {
            return None;
        }
        let price = i128::from(self.price_krw) * i128::from(ONE) / quote_in_krw(quote);
        let price = i64::try_from(price).ok()?;
        let start_price = tick::floor(quote, price).max(START_TICKS_MIN);
        let (korean_name, english_name) = (self.korean_name.clone(), self.english_name.clone());
        let info = MarketInfo { market, korean_name, english_name, warning: false, cautions: Vec::new() };
        Some(Listing { info, quote, start_price })
    }
}

/// What one unit of the quote currency costs in KRW; the same as the start prices of KRW-BTC and KRW-USDT.
fn quote_in_krw(quote: Quote) -> i128 {
    let krw: i128 = match quote {
        Quote::Krw => 1,
        Quote::Btc => 135_000_000,
        Quote::Usdt => 1_460,
    };
    krw * i128::from(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_known_coins_come_first_and_all_parse() {
        let all = listings(MARKETS_MAX, &[Quote::Krw]);
        assert_eq!(all.len(), MARKETS_MAX);
        let first: Vec<&str> = all.iter().take(3).map(|l| l.info.market.as_str()).collect();
        assert_eq!(first, ["KRW-BTC", "KRW-ETH", "KRW-XRP"]);
        assert_eq!(all[0].info.korean_name, "비트코인");
        assert_eq!(all[0].start_price, 135_000_000 * ONE);
        let known = COINS.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all[known - 1].info.market.as_str().find("SIM"), None);
        assert_eq!(all[known].info.market.as_str(), "KRW-SIM001");
        let codes: HashSet<&str> = all.iter().map(|l| l.info.market.as_str()).collect();
        assert_eq!(codes.len(), MARKETS_MAX);
    }

    #[test]
    fn start_prices_are_on_a_tick_in_every_quote() {
        let all = listings(800, &[Quote::Krw, Quote::Btc, Quote::Usdt]);
        let codes: Vec<&str> = all.iter().take(5).map(|l| l.info.market.as_str()).collect();
        assert_eq!(codes, ["KRW-BTC", "USDT-BTC", "KRW-ETH", "BTC-ETH", "USDT-ETH"]);
        for listing in all {
            assert_eq!(tick::floor(listing.quote, listing.start_price), listing.start_price, "{listing:?}");
            assert!(listing.start_price > 0);
        }
    }
}
