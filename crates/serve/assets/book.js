// The order book as Korean traders read it: asks above in blue, bids below in red, best prices in the middle.
import { direction, fractionDigits, group, make, paint, percent, put, rounded, sizeDecimals, tickDecimals, timeKst } from "./format.js";

const LEVELS = 30;

export class OrderBook {
  #market = null;
  #scrolled = false;

  constructor(elements) {
    Object.assign(this, elements);
    this.asks = Array.from({ length: LEVELS }, () => new LevelRow("ask"));
    this.bids = Array.from({ length: LEVELS }, () => new LevelRow("bid"));
    // the best ask is the lowest: next to the best bid
    this.ladder.append(...this.asks.toReversed().map((row) => row.element), ...this.bids.map((row) => row.element));
    new ResizeObserver(() => this.#centre()).observe(this.ladder);
    this.ladder.addEventListener("wheel", () => (this.#scrolled = true), { passive: true });
    this.ladder.addEventListener("touchmove", () => (this.#scrolled = true), { passive: true });
  }

  clear(market) {
    this.#market = market;
    this.#scrolled = false;
    for (const row of [...this.asks, ...this.bids]) row.show(null);
    for (const element of [this.askTotal, this.bidTotal]) put(element, "–");
    put(this.time, "");
    this.#centre();
  }

  show(book, ticker) {
    if (book.market !== this.#market) return;
    const levels = [...book.asks, ...book.bids];
    const best = book.bids[0]?.[0] ?? book.asks[0]?.[0] ?? "0";
    const view = {
      decimals: Math.max(tickDecimals(book.market, best), ...levels.map(([price]) => fractionDigits(price))),
      sizeDecimals: Math.min(4, sizeDecimals(book.market, best)),
      sizeMax: Math.max(...levels.map(([, size]) => Number(size)), 0),
      prevClose: Number(ticker?.prev_closing_price ?? 0),
      last: ticker?.trade_price,
    };
    this.asks.forEach((row, index) => row.show(book.asks[index], view));
    this.bids.forEach((row, index) => row.show(book.bids[index], view));
    put(this.askTotal, rounded(book.total_ask_size, view.sizeDecimals));
    put(this.bidTotal, rounded(book.total_bid_size, view.sizeDecimals));
    put(this.time, timeKst(book.timestamp));
  }

  /** Until the reader scrolls, the spread is in the middle; the rows are always there, so it stays there by itself. */
  #centre() {
    if (!this.#scrolled) this.ladder.scrollTop = this.bids[0].element.offsetTop - this.ladder.clientHeight / 2;
  }
}

class LevelRow {
  constructor(side) {
    this.side = side;
    this.element = make("div", `level ${side}`);
    this.bar = make("span", "bar");
    this.price = make("span", "price");
    this.rate = make("span", "rate");
    this.size = make("span", "size");
    this.element.append(this.bar, this.price, this.rate, this.size);
  }

  show(level, view) {
    if (!level) {
      for (const element of [this.price, this.rate, this.size]) put(element, "");
      this.bar.style.transform = "scaleX(0)";
      paint(this.element, `level ${this.side} empty`);
      return;
    }
    const [price, size] = level;
    const change = view.prevClose ? Number(price) / view.prevClose - 1 : 0;
    put(this.price, group(price, view.decimals));
    paint(this.price, `price ${direction(change)}`);
    put(this.rate, view.prevClose ? percent(change) : "");
    put(this.size, rounded(size, view.sizeDecimals));
    if (this.size.title !== size) this.size.title = size;
    this.bar.style.transform = `scaleX(${view.sizeMax ? Math.max(Number(size) / view.sizeMax, 0.004) : 0})`;
    paint(this.element, `level ${this.side}${price === view.last ? " last" : ""}`);
  }
}
