// The list of markets: search, order, choice. Only the rows in view exist, so 855 markets cost what 20 do.
import { showBadges } from "./badges.js";
import { current, t } from "./language.js";
import { baseOf, compact, direction, group, make, paint, percent, put, quoteOf, tickDecimals } from "./format.js";
import { matches } from "./search.js";

const ROW_PX = 44;
const SPARE_ROWS = 4;
const SORT_INTERVAL_MS = 2_000;
const CHOICE_DELAY_MS = 120;

export class MarketList {
  #entries = new Map();
  #order = [];
  #rows = [];
  #quote = "KRW";
  #sort = { by: "turnover", descending: true };
  #chosen = null;
  #hovered = false;
  #drawing = false;
  #choice = 0;

  constructor(elements, onChoose) {
    Object.assign(this, elements);
    this.onChoose = onChoose;
    this.space = make("div", "space");
    this.list.append(this.space);
    this.list.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.list.addEventListener("click", (event) => this.#click(event));
    this.list.addEventListener("keydown", (event) => this.#key(event));
    // rows must not change places under the pointer
    this.list.addEventListener("pointerenter", (event) => (this.#hovered = event.pointerType === "mouse"));
    this.list.addEventListener("pointerleave", () => (this.#hovered = false));
    this.search.addEventListener("input", () => this.arrange());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.list.focus();
        this.#move(this.#order[0]);
      }
    });
    this.sorts.addEventListener("click", (event) => this.#sortBy(event.target.closest("button")));
    this.quotes.addEventListener("click", (event) => this.#showQuote(event.target.closest("button")?.value));
    new ResizeObserver(() => this.#draw()).observe(this.list);
    setInterval(() => this.#hovered || document.hidden || this.arrange(), SORT_INTERVAL_MS);
    this.#showSort();
  }

  get(market) {
    return this.#entries.get(market);
  }

  /** The market with the largest turnover: what a first visit sees. */
  first() {
    return this.#order[0];
  }

  setNames(names) {
    for (const { market, korean_name, english_name, warning, cautions, listed_at } of names) {
      Object.assign(this.#entry(market), { korean: korean_name, english: english_name, warning, cautions, listedAt: listed_at });
    }
    this.#showQuotes();
    this.#draw();
  }

  setTickers(tickers) {
    const added = this.#entries.size;
    for (const ticker of tickers) {
      const entry = this.#entry(ticker.market);
      const before = entry.ticker?.trade_price;
      entry.ticker = ticker;
      entry.moved = before && before !== ticker.trade_price ? direction(Number(ticker.trade_price) - Number(before)) : "";
    }
    if (this.#entries.size !== added) {
      this.#showQuotes();
      this.arrange();
    } else {
      this.#draw();
    }
  }

  choose(market) {
    this.#chosen = market;
    if (quoteOf(market) !== this.#quote) this.#showQuote(quoteOf(market));
    this.#draw();
  }

  /** The name in the page's language. */
  nameOf(market) {
    const entry = this.#entries.get(market);
    return (current() === "ko" ? entry?.korean : entry?.english) || baseOf(market);
  }

  /** Sorts and filters anew. */
  arrange() {
    const value = this.#sortValue();
    const shown = [...this.#entries.values()].filter(
      (entry) => quoteOf(entry.market) === this.#quote && matches(entry, this.search.value),
    );
    const keyed = shown.map((entry) => [value(entry), entry.market]);
    const sign = this.#sort.descending ? -1 : 1;
    keyed.sort(([a, marketA], [b, marketB]) => sign * compare(a, b) || compare(marketA, marketB));
    this.#order = keyed.map(([, market]) => market);
    this.space.style.height = `${this.#order.length * ROW_PX}px`;
    this.note.hidden = this.#order.length > 0;
    put(this.note, t(this.#entries.size ? "noMarket" : "waiting"));
    this.#draw();
  }

  #entry(market) {
    let entry = this.#entries.get(market);
    if (!entry) {
      entry = { market, korean: "", english: "", warning: false, cautions: [], listedAt: null, ticker: null, moved: "" };
      this.#entries.set(market, entry);
    }
    return entry;
  }

  #sortValue() {
    const number = (field) => (entry) => Number(entry.ticker?.[field] ?? -Infinity);
    switch (this.#sort.by) {
      case "name": return (entry) => this.nameOf(entry.market);
      case "price": return number("trade_price");
      case "change": return number("signed_change_rate");
      default: return number("acc_trade_price_24h");
    }
  }

  #sortBy(button) {
    if (!button) return;
    const by = button.dataset.sort;
    this.#sort = { by, descending: this.#sort.by === by ? !this.#sort.descending : by !== "name" };
    this.#showSort();
    this.arrange();
    this.list.scrollTop = 0;
  }

  #showSort() {
    for (const button of this.sorts.children) {
      const active = button.dataset.sort === this.#sort.by;
      button.setAttribute("aria-pressed", String(active));
      button.dataset.order = active ? (this.#sort.descending ? "down" : "up") : "";
    }
  }

  #showQuotes() {
    const quotes = ["KRW", "BTC", "USDT"].filter((quote) =>
      [...this.#entries.keys()].some((market) => quoteOf(market) === quote),
    );
    if (quotes.length && !quotes.includes(this.#quote)) this.#quote = quotes[0];
    if (this.quotes.children.length !== quotes.length) {
      this.quotes.replaceChildren(
        ...quotes.map((quote) => Object.assign(make("button", "", quote), { type: "button", value: quote })),
      );
    }
    for (const button of this.quotes.children) button.setAttribute("aria-pressed", String(button.value === this.#quote));
  }

  #showQuote(quote) {
    if (!quote) return;
    this.#quote = quote;
    this.#showQuotes();
    this.arrange();
  }

  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#drawRows();
    });
  }

  #drawRows() {
    const height = this.list.clientHeight;
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW_PX) - 1);
    const count = Math.min(this.#order.length - first, Math.ceil(height / ROW_PX) + SPARE_ROWS);
    while (this.#rows.length < count) this.#rows.push(new Row(this.space));
    let active = "";
    this.#rows.forEach((row, slot) => {
      const market = slot < count ? this.#order[first + slot] : undefined;
      row.show(market ? this.#entries.get(market) : null, first + slot, this.#order.length, this.nameOf(market ?? ""));
      row.mark(market !== undefined && market === this.#chosen);
      if (market && market === this.#chosen) active = row.element.id;
    });
    if (active) this.list.setAttribute("aria-activedescendant", active);
    else this.list.removeAttribute("aria-activedescendant");
    for (const entry of this.#entries.values()) entry.moved = "";
  }

  #click(event) {
    const market = event.target.closest("[role=option]")?.dataset.market;
    if (!market) return;
    this.choose(market);
    this.onChoose(market, true);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW_PX) - 1);
    const at = this.#order.indexOf(this.#chosen);
    const last = this.#order.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#move(this.#order[Math.min(last, Math.max(0, to))]);
  }

  #move(market) {
    if (!market) return;
    this.choose(market);
    const top = this.#order.indexOf(market) * ROW_PX;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop) this.list.scrollTop = top;
    else if (top + ROW_PX > scrollTop + clientHeight) this.list.scrollTop = top + ROW_PX - clientHeight;
    // a key held down passes many markets; only where it stops is asked for
    clearTimeout(this.#choice);
    this.#choice = setTimeout(() => this.onChoose(market, false), CHOICE_DELAY_MS);
  }
}

class Row {
  static #count = 0;

  constructor(parent) {
    this.element = make("div", "row");
    this.element.id = `market-${(Row.#count += 1)}`;
    this.element.setAttribute("role", "option");
    this.name = make("b", "name");
    this.marks = make("span", "marks");
    this.code = make("span", "code");
    this.price = make("span", "price");
    this.change = make("span", "change");
    this.difference = make("span", "difference");
    this.turnover = make("span", "turnover");
    const second = make("span", "second");
    second.append(this.code, this.marks);
    const names = make("span", "names");
    names.append(this.name, second);
    const changes = make("span", "changes");
    changes.append(this.change, this.difference);
    this.element.append(names, this.price, changes, this.turnover);
    parent.append(this.element);
  }

  show(entry, index, size, name) {
    this.element.hidden = !entry;
    if (!entry) return;
    const { market, ticker } = entry;
    const same = this.element.dataset.market === market;
    this.element.dataset.market = market;
    this.element.style.transform = `translateY(${index * ROW_PX}px)`;
    this.element.setAttribute("aria-setsize", size);
    this.element.setAttribute("aria-posinset", index + 1);
    put(this.name, name);
    put(this.code, market);
    showBadges(this.marks, entry);
    const decimals = tickDecimals(market, ticker?.trade_price);
    const colour = direction(ticker?.signed_change_rate ?? 0);
    put(this.price, group(ticker?.trade_price, decimals));
    paint(this.price, `price ${colour}`);
    put(this.change, percent(ticker?.signed_change_rate));
    paint(this.change, `change ${colour}`);
    put(this.difference, group(ticker?.signed_change_price, decimals));
    put(this.turnover, compact(ticker?.acc_trade_price_24h, current()));
    if (same && entry.moved) flash(this.price, entry.moved);
  }

  mark(chosen) {
    this.element.setAttribute("aria-selected", String(chosen));
  }
}

/** A short tint in the colour of the move. */
export function flash(element, move) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const colour = getComputedStyle(element).getPropertyValue(move === "falls" ? "--falls-tint" : "--rises-tint");
  element.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], { duration: 600, easing: "ease-out" });
}

const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, current()) : a < b ? -1 : a > b ? 1 : 0);
