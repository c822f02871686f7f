//! Tick sizes: by how much a price can move. Pure.
//!
//! KRW as since 2025-07-31, USDT as since 2024-08-19, BTC one satoshi flat (docs.upbit.com, market-info-trade-price-detail).
//! A client must not copy these tables: the exchange changes them, and `/v1/orderbook/instruments` tells.

/// Prices and volumes are units of 10^-8, the finest step of any market.
pub const SCALE: u8 = 8;
pub const ONE: i64 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quote {
    Krw,
    Btc,
    Usdt,
}

impl Quote {
    pub fn as_str(self) -> &'static str {
        match self {
            Quote::Krw => "KRW",
            Quote::Btc => "BTC",
            Quote::Usdt => "USDT",
        }
    }

    /// The smallest order of the market, in units of the quote currency.
    pub fn order_min(self) -> i64 {
        match self {
            Quote::Krw => 5_000 * ONE,
            Quote::Btc => ONE / 20_000,
            Quote::Usdt => ONE / 2,
        }
    }
}

/// The tick at a price, in units.
pub fn tick_size(quote: Quote, price: i64) -> i64 {
    let table: &[(i64, i64)] = match quote {
        Quote::Krw => KRW,
        Quote::Usdt => USDT,
        Quote::Btc => return 1,
    };
    table.iter().find(|(from, _)| price >= *from).map_or(1, |(_, tick)| *tick)
}

/// The highest price on a tick that is not above `price`.
pub fn floor(quote: Quote, price: i64) -> i64 {
    price - price.rem_euclid(tick_size(quote, price))
}

/// The next price above one that is on a tick.
pub fn above(quote: Quote, price: i64) -> i64 {
    price + tick_size(quote, price)
}

/// The next price below one that is on a tick; 0 below the lowest.
pub fn below(quote: Quote, price: i64) -> i64 {
    floor(quote, price - 1).max(0)
}

/// From this price on, this tick; highest first.
const KRW: &[(i64, i64)] = &[
    (1_000_000 * ONE, 1_000 * ONE),
    (500_000 * ONE, 500 * ONE),
    (100_000 * ONE, 100 * ONE),
    (50_000 * ONE, 50 * ONE),
    (10_000 * ONE, 10 * ONE),
    (5_000 * ONE, 5 * ONE),
    (100 * ONE, ONE),
    (10 * ONE, ONE / 10),
    (ONE, ONE / 100),
    (ONE / 10, ONE / 1_000),
    (ONE / 100, ONE / 10_000),
    (ONE / 1_000, ONE / 100_000),
    (ONE / 10_000, ONE / 1_000_000),
    (ONE / 100_000, ONE / 10_000_000),
];

const USDT: &[(i64, i64)] = &[
    (10 * ONE, ONE / 100),
    (ONE, ONE / 1_000),
    (ONE / 10, ONE / 10_000),
    (ONE / 100, ONE / 100_000),
    (ONE / 1_000, ONE / 1_000_000),
    (ONE / 10_000, ONE / 10_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn krw_ticks_are_those_of_the_documentation() {
        let tick = |price: &str| {
            let units = |text| hoga_model::number::parse_decimal(text, 20, SCALE).map(|u| u as i64);
            let size = units(price).map(|price| tick_size(Quote::Krw, price));
            size.map(|size| hoga_model::number::format_decimal(i128::from(size), SCALE))
        };
        for (price, expected) in [
            ("135000000", "1000"),
            ("1000000", "1000"),
            ("999500", "500"),
            ("100000", "100"),
            ("99950", "50"),
            ("10000", "10"),
            ("9995", "5"),
            ("4999", "1"),
            ("100", "1"),
            ("99.9", "0.1"),
            ("1", "0.01"),
            ("0.5", "0.001"),
            ("0.0138", "0.0001"),
            ("0.00073", "0.000001"),
            ("0.00001", "0.0000001"),
            ("0.000009", "0.00000001"),
        ] {
            assert_eq!(tick(price).as_deref(), Ok(expected), "{price}");
        }
    }

    #[test]
    fn a_ladder_walks_over_the_borders_and_back() {
        for quote in [Quote::Krw, Quote::Btc, Quote::Usdt] {
            let mut price = 3;
            for _ in 0..5_000 {
                let next = above(quote, price);
                assert!(next > price);
                assert_eq!(floor(quote, next), next);
                assert_eq!(below(quote, next), price, "{quote:?} below {next}");
                price = next;
            }
        }
        assert_eq!(below(Quote::Btc, 1), 0);
    }
}
