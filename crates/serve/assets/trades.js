// The tape (체결): the latest trades of the chosen market, newest first, large ones marked.
import { compact, direction, group, make, paint, put, quoteOf, rounded, sizeDecimals, tickDecimals, timeKst } from "./format.js";
import { current } from "./language.js";
import { flash } from "./market_list.js";

const ROWS = 60;
/** From here on a volume is shown without its fraction, which its tooltip has. */
const WHOLE_FROM = 100_000;
/** 고래 체결: what Korean alert bots call a whale. */
const LARGE = { KRW: 30_000_000, BTC: 0.3, USDT: 20_000 };

export class Tape {
  #trades = [];
  #market = null;
  #prevClose = 0;

  constructor(elements) {
    Object.assign(this, elements);
    this.rows = Array.from({ length: ROWS }, () => new TradeRow());
    this.tape.append(...this.rows.map((row) => row.element));
  }

  clear(market) {
    this.#market = market;
    this.#trades = [];
    this.#draw(new Set());
  }

  /** The previous close, which prices are coloured against. */
  setPrevClose(prevClose) {
    this.#prevClose = Number(prevClose ?? 0);
  }

  add({ market, reset, trades }) {
    if (market !== this.#market) return;
    const known = reset ? [] : this.#trades;
    const all = [...known, ...trades.map((trade) => ({ ...trade, key: BigInt(trade.sequential_id) }))];
    // trades come out of order; the tape shows the market's order
    all.sort((a, b) => b.trade_timestamp - a.trade_timestamp || (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
    this.#trades = all.slice(0, ROWS);
    this.#draw(reset ? new Set() : new Set(trades.map((trade) => trade.sequential_id)));
  }

  translate() {
    this.#draw(new Set());
  }

  #draw(fresh) {
    this.rows.forEach((row, index) => {
      const trade = this.#trades[index];
      row.show(trade, this.#market, this.#prevClose);
      if (trade && fresh.has(trade.sequential_id)) flash(row.element, trade.ask_bid === "BID" ? "rises" : "falls");
    });
  }
}

class TradeRow {
  constructor() {
    this.element = make("div", "trade");
    this.time = make("span", "time");
    this.price = make("span", "price");
    this.volume = make("span", "volume");
    this.amount = make("span", "amount");
    this.element.append(this.time, this.price, this.volume, this.amount);
  }

  show(trade, market, prevClose) {
    if (!trade) {
      for (const element of [this.time, this.price, this.volume, this.amount]) put(element, "");
      paint(this.element, "trade");
      return;
    }
    const amount = Number(trade.trade_price) * Number(trade.trade_volume);
    put(this.time, timeKst(trade.trade_timestamp));
    put(this.price, group(trade.trade_price, tickDecimals(market, trade.trade_price)));
    paint(this.price, `price ${direction(prevClose ? Number(trade.trade_price) - prevClose : 0)}`);
    const decimals = Number(trade.trade_volume) >= WHOLE_FROM ? 0 : sizeDecimals(market, trade.trade_price);
    put(this.volume, rounded(trade.trade_volume, decimals));
    this.volume.title = trade.trade_volume;
    paint(this.volume, `volume ${trade.ask_bid === "BID" ? "rises" : "falls"}`);
    put(this.amount, quoteOf(market) === "KRW" && amount < 1e8 ? rounded(amount, 0) : compact(amount, current()));
    paint(this.element, amount >= (LARGE[quoteOf(market)] ?? Infinity) ? "trade large" : "trade");
  }
}
