//! Which of the listed markets the user means by `KRW`, `all` or `KRW-BTC,KRW-ETH`. Pure.

use std::collections::HashSet;

use hoga_model::{Market, MarketInfo};

use crate::error::{Unlisted, UpbitError};

/// How many near names an error offers.
const NEAR_NAMES_MAX: usize = 3;
/// How many letters may differ in a near name.
const NEAR_EDITS_MAX: usize = 2;

/// The chosen markets, in the exchange's order for `all` and quote currencies and in the user's for names, each once.
///
/// Items are separated by commas and may be mixed: `all`, a quote currency (`KRW`), a market (`BTC-ETH`). Everything
/// that is not listed is an error, with near names; all of them at once.
pub fn select_markets(listed: &[MarketInfo], chosen: &str) -> Result<Vec<Market>, UpbitError> {
    let mut markets = Vec::new();
    let mut unlisted = Vec::new();
    for item in chosen.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let found = listed.iter().map(|info| &info.market).filter(|market| is_meant(market, item));
        let before = markets.len();
        markets.extend(found.cloned());
        if markets.len() == before {
            unlisted.push(Unlisted { name: item.to_owned(), near: near_names(listed, item) });
        }
    }
    if !unlisted.is_empty() {
        return Err(UpbitError::UnknownMarkets(unlisted));
    }
    let mut seen = HashSet::new();
    markets.retain(|market| seen.insert(market.clone()));
    if markets.is_empty() { Err(UpbitError::NoMarkets) } else { Ok(markets) }
}

/// The same of a list that has changed: names that are not on it, any more or yet, are passed over.
pub fn matching_markets(listed: &[MarketInfo], chosen: &str) -> Vec<Market> {
    let items: Vec<&str> = chosen.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let is_chosen = |market: &&Market| items.iter().any(|item| is_meant(market, item));
    listed.iter().map(|info| &info.market).filter(is_chosen).cloned().collect()
}

fn is_meant(market: &Market, item: &str) -> bool {
    item == "all" || market.as_str() == item || market.quote() == item
}

/// Listed names that look like `item`, the nearest first: another case or separator, turned round (`BTC/KRW`), a coin
/// without its quote currency (`BTC`), or one or two letters off.
fn near_names(listed: &[MarketInfo], item: &str) -> Vec<String> {
    let letters =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let wanted = letters(item);
    let mut near: Vec<(usize, String)> = Vec::new();
    for market in listed.iter().map(|info| &info.market) {
        let turned = format!("{}{}", market.base(), market.quote());
        let candidates = [letters(market.as_str()), turned, market.base().to_owned()];
        let edits = candidates.iter().map(|candidate| edit_distance(candidate, &wanted)).min().unwrap_or(usize::MAX);
        // two edits in a name of three letters make any other name
        if edits <= NEAR_EDITS_MAX.min(wanted.len() / 3) {
            near.push((edits, market.to_string()));
        }
    }
    for quote in listed.iter().map(|info| info.market.quote()).collect::<HashSet<_>>() {
        if quote == wanted {
            near.push((0, quote.to_owned()));
        }
    }
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(NEAR_NAMES_MAX).collect()
}

/// Levenshtein's distance of two short ASCII texts.
fn edit_distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > NEAR_EDITS_MAX {
        return usize::MAX;
    }
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.bytes().enumerate() {
            let replaced = previous[j] + usize::from(x != y);
            row.push(replaced.min(previous[j + 1] + 1).min(row[j] + 1));
        }
        previous = row;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn listed() -> Vec<MarketInfo> {
        let info = |code| MarketInfo {
            market: Market::parse(code).unwrap(),
            korean_name: String::new(),
            english_name: String::new(),
            warning: false,
            cautions: Vec::new(),
        };
        ["KRW-BTC", "KRW-ETH", "BTC-ETH", "KRW-SOL", "USDT-BTC", "KRW-AERGO"].map(info).to_vec()
    }

    fn select(chosen: &str) -> String {
        match select_markets(&listed(), chosen) {
            Ok(markets) => markets.iter().map(Market::as_str).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn quotes_all_and_names() {
        assert_eq!(select("KRW"), "KRW-BTC KRW-ETH KRW-SOL KRW-AERGO");
        assert_eq!(select("all"), "KRW-BTC KRW-ETH BTC-ETH KRW-SOL USDT-BTC KRW-AERGO");
        assert_eq!(select("KRW-ETH, KRW-BTC,KRW-ETH,"), "KRW-ETH KRW-BTC");
        assert_eq!(select("USDT,KRW-SOL"), "USDT-BTC KRW-SOL");
    }

    #[test]
    fn of_a_list_that_has_changed_what_is_there() {
        let codes = |chosen| matching_markets(&listed(), chosen).iter().map(Market::to_string).collect::<Vec<_>>();
        assert_eq!(codes("KRW-ETH,KRW-GONE, BTC"), ["KRW-ETH", "BTC-ETH"]);
        assert_eq!(codes("all").len(), 6);
    }

    #[test]
    fn what_is_not_listed_is_named_with_what_looks_like_it() {
        for (chosen, expected) in [
            ("KRW-BTX", "market \"KRW-BTX\" is not listed; did you mean KRW-BTC?"),
            ("krw-btc", "market \"krw-btc\" is not listed; did you mean KRW-BTC?"),
            ("BTC/KRW", "market \"BTC/KRW\" is not listed; did you mean KRW-BTC?"),
            ("SOL", "market \"SOL\" is not listed; did you mean KRW-SOL?"),
            ("krw", "market \"krw\" is not listed; did you mean KRW?"),
            ("KRW-AREGO", "market \"KRW-AREGO\" is not listed; did you mean KRW-AERGO?"),
            ("KRW-DOGE", "market \"KRW-DOGE\" is not listed; the exchange lists its markets at /v1/market/all"),
            ("비트코인", "market \"비트코인\" is not listed; the exchange lists its markets at /v1/market/all"),
        ] {
            let text = select(chosen);
            assert!(text.starts_with(expected.trim_end_matches('?')), "{chosen}: {text}");
        }
        assert_eq!(select("KRW-BTX,KRW-BTC,SOLL").lines().count(), 2);
        assert!(select(" , ").starts_with("no market is chosen"));
    }
}
