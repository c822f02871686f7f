//! The board against batches in the tables' own types.

use super::*;

#[path = "../../tests/serve/batches.rs"]
mod batches;

use batches::{BookRow, TickerRow, TradeRow, books, tickers, trades};

const NOON: i64 = 1_785_412_800_000;

fn text(exact: Option<Exact>) -> String {
    serde_json::to_value(exact).expect("JSON").as_str().unwrap_or("null").to_owned()
}

fn ids(board: &Board, market: &str, since: u64) -> Vec<i64> {
    board.trades_since(market, since).iter().map(|trade| trade.sequential_id).collect()
}

#[test]
fn the_last_ticker_of_each_market_stays() {
    let mut board = Board::new();
    board.apply(
        "ticker",
        &tickers(&[
            TickerRow("KRW-BTC", "95000000", "94000000", "1234567890.1234567890123456", NOON),
            TickerRow("KRW-DOGE", "0.00001234", "0.00001", "5", NOON),
            TickerRow("KRW-BTC", "95000001", "94000000", "1", NOON + 1),
        ]),
    );
    let before = board.version();
    let mut all: Vec<_> = board.tickers_since(0);
    all.sort_by(|a, b| a.market.cmp(&b.market));
    let prices: Vec<_> = all.iter().map(|ticker| (&*ticker.market, text(ticker.trade_price))).collect();
    assert_eq!(prices, [("KRW-BTC", "95000001".to_owned()), ("KRW-DOGE", "0.00001234".to_owned())]);
    assert!(board.tickers_since(before).is_empty());

    // a replayed ticker must not turn back time, one of the same instant replaces it
    board.apply("ticker", &tickers(&[TickerRow("KRW-BTC", "1", "1", "1", NOON)]));
    assert!(board.tickers_since(before).is_empty());
    board.apply("ticker", &tickers(&[TickerRow("KRW-BTC", "2", "1", "1234567890.1234567890123456", NOON + 1)]));
    let changed = board.tickers_since(before);
    assert_eq!(changed.len(), 1);
    assert_eq!(text(changed[0].acc_trade_price_24h), "1234567890.1234567890123456");
}

#[test]
fn trades_are_unique_and_in_the_markets_order() {
    let mut board = Board::new();
    let trade = |id, at| TradeRow("KRW-BTC", id, NOON + at, "95000000", "0.00012345", "BID");
    board.apply("trade", &trades(&[trade(17_853_950_437_790_007, 5), trade(17_853_950_437_790_003, 5), trade(9, 9)]));
    let before = board.version();
    assert_eq!(ids(&board, "KRW-BTC", 0), [17_853_950_437_790_003, 17_853_950_437_790_007, 9]);

    board.apply("trade", &trades(&[trade(9, 9), trade(4, 7)]));
    assert_eq!(ids(&board, "KRW-BTC", 0), [17_853_950_437_790_003, 17_853_950_437_790_007, 4, 9]);
    assert_eq!(ids(&board, "KRW-BTC", before), [4], "only what is new since then");
    assert_eq!(board.last_trade_ms("KRW-BTC"), Some(NOON + 9));
    assert!(ids(&board, "KRW-ETH", 0).is_empty());

    let json = serde_json::to_value(board.trades_since("KRW-BTC", 0)[0]).expect("JSON");
    assert_eq!(json["sequential_id"], "17853950437790003", "beyond 2^53: text");
    assert_eq!(json["trade_volume"], "0.00012345");
}

#[test]
fn old_trades_leave_when_the_ring_is_full() {
    let mut board = Board::new();
    let count = TRADES_PER_MARKET_MAX as i64;
    for id in 0..count + 10 {
        board.apply("trade", &trades(&[TradeRow("KRW-BTC", id, NOON + id, "1", "1", "ASK")]));
    }
    assert_eq!(ids(&board, "KRW-BTC", 0), (10..count + 10).collect::<Vec<_>>());
    // older than all that are kept: not worth a place
    board.apply("trade", &trades(&[TradeRow("KRW-BTC", 3, NOON + 3, "1", "1", "ASK")]));
    assert_eq!(ids(&board, "KRW-BTC", 0), (10..count + 10).collect::<Vec<_>>());
    // late, but not the oldest: in its place
    board.apply("trade", &trades(&[TradeRow("KRW-BTC", 9_999, NOON + 50, "1", "1", "ASK")]));
    let kept = ids(&board, "KRW-BTC", 0);
    assert_eq!((kept.len() as i64, kept[0], kept[40]), (count, 11, 9_999));
}

#[test]
fn a_book_drops_the_levels_that_are_padding() {
    let mut board = Board::new();
    let level = |ask: &str, bid: &str| [ask.to_owned(), bid.to_owned(), "0.5".to_owned(), "1.25".to_owned()];
    let padded = vec![level("101", "100"), level("102.5", "0"), level("0", "0")];
    board.apply("orderbook", &books(&[BookRow("KRW-ETH", NOON, vec![]), BookRow("KRW-BTC", NOON, padded)]));
    let json = serde_json::to_value(board.book_since("KRW-BTC", 0)).expect("JSON");
    assert_eq!(json["asks"], serde_json::json!([["101", "0.5"], ["102.5", "0.5"]]));
    assert_eq!(json["bids"], serde_json::json!([["100", "1.25"]]));
    assert_eq!(board.book_since("KRW-ETH", 0).map(|book| book.asks.len()), Some(0));
    assert!(board.book_since("KRW-BTC", board.version()).is_none());
}

#[test]
fn columns_that_are_missing_read_as_null() {
    let mut board = Board::new();
    let full = tickers(&[TickerRow("KRW-BTC", "5", "4", "1", NOON)]);
    let index = |name| full.schema().index_of(name).expect("a column");
    board.apply("ticker", &full.project(&[index("market"), index("trade_price")]).expect("a batch"));
    let ticker = board.tickers_since(0)[0].clone();
    assert_eq!((text(ticker.trade_price), ticker.prev_closing_price, ticker.timestamp), ("5".to_owned(), None, 0));
    assert_eq!(ticker.change, None);

    let without_market = full.project(&[index("trade_price")]).expect("a batch");
    for table in ["ticker", "trade", "orderbook"] {
        board.apply(table, &without_market);
    }
    assert_eq!(board.rows_ignored(), 3);
    board.apply("candle_1m", &full);
    assert_eq!(board.rows_ignored(), 3, "a table the board does not show is nobody's fault");
}

#[test]
fn markets_are_valid_and_not_endless() {
    let mut board = Board::new();
    board.apply("ticker", &tickers(&[TickerRow("<script>", "5", "4", "1", NOON), TickerRow("", "5", "4", "1", NOON)]));
    assert_eq!((board.rows_ignored(), board.tickers_since(0).len()), (2, 0));
    let codes: Vec<_> = (0..MARKETS_MAX + 7).map(|index| format!("KRW-M{index}")).collect();
    let rows: Vec<_> = codes.iter().map(|code| TickerRow(code, "5", "4", "1", NOON)).collect();
    board.apply("ticker", &tickers(&rows));
    assert_eq!((board.rows_ignored(), board.tickers_since(0).len()), (9, MARKETS_MAX));
}

#[test]
fn names_are_sent_once() {
    let mut board = Board::new();
    assert!(board.names_since(0).is_none());
    let before = board.version();
    let market = hoga_model::Market::parse("KRW-BTC").expect("a market");
    let (korean_name, english_name) = ("비트코인".to_owned(), "Bitcoin".to_owned());
    let info = MarketInfo { market, korean_name, english_name, warning: false, cautions: Vec::new() };
    board.set_markets(vec![ListedMarket { info, listed_at: None }]);
    assert_eq!(board.names_since(before).map(<[_]>::len), Some(1));
    assert!(board.names_since(board.version()).is_none());
}
