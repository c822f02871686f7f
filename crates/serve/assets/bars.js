// The bars of one chart: those the server computed, and the trades that came after them. Pure.
//
// A trade is counted if it is later than the last one the server counted, in the order (trade_timestamp,
// sequential_id). One that comes late is not; the server has it, and the next `merge` brings it.

const BARS_MAX = 2_000;

export class Bars {
  #bars = [];
  #last = [-Infinity, 0n];

  constructor(seconds) {
    this.seconds = seconds;
  }

  all() {
    return this.#bars;
  }

  last() {
    return this.#bars.at(-1);
  }

  /** Takes the server's bars in place of ours, from the first of them on. */
  merge(answer) {
    if (!answer.length) return;
    const computed = answer.map((bar) => ({
      start: bar.start,
      open: Number(bar.open),
      high: Number(bar.high),
      low: Number(bar.low),
      close: Number(bar.close),
      volume: Number(bar.volume),
    }));
    const last = answer.at(-1);
    const key = [last.last_trade_timestamp, BigInt(last.last_sequential_id)];
    // the server may know less than the stream already brought: keep our bars that are later than all of its bars
    const older = this.#bars.filter((bar) => bar.start < computed[0].start);
    const newer = this.#bars.filter((bar) => bar.start > computed.at(-1).start);
    if (newer.length === 0) this.#last = key;
    this.#bars = [...older, ...computed, ...newer].slice(-BARS_MAX);
  }

  /** Counts a trade; gives the bar it changed, or null if it was counted already. */
  add(trade) {
    const key = [trade.trade_timestamp, BigInt(trade.sequential_id)];
    if (!isAfter(key, this.#last)) return null;
    this.#last = key;
    const span = this.seconds * 1_000;
    const start = Math.floor(trade.trade_timestamp / span) * span;
    const price = Number(trade.trade_price);
    const volume = Number(trade.trade_volume);
    const bar = this.last();
    if (bar && bar.start === start) {
      bar.high = Math.max(bar.high, price);
      bar.low = Math.min(bar.low, price);
      bar.close = price;
      bar.volume += volume;
      return bar;
    }
    if (bar && bar.start > start) return null;
    const opened = { start, open: price, high: price, low: price, close: price, volume };
    this.#bars.push(opened);
    if (this.#bars.length > BARS_MAX) this.#bars.shift();
    return opened;
  }
}

const isAfter = ([time, id], [lastTime, lastId]) => time > lastTime || (time === lastTime && id > lastId);
