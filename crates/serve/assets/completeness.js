// The completeness view: markets by days, each cell the share of the day's time without a hole in its trades, by the ledger of gaps.
import { duration, group as digits, make, paint, put, timeKst } from "./format.js";
import { t } from "./language.js";

const POLL_MS = 30_000;
const DAYS = 14;
/** Before the exchange is asked about a cell that the pointer only passes. */
const DETAIL_WAIT_MS = 150;
const GAPS_SHOWN = 6;
/** From which share on a cell has which colour: blue to orange, which people who mix up red and green tell apart, and darker the worse. */
const STEPS = [[1, "whole"], [0.999, "almost"], [0.99, "most"], [0.9, "holes"], [0.5, "half"], [0, "little"]];

export const isCompleteness = (hash) => hash === "completeness";

export class CompletenessView {
  #data = null;
  #failure = null;
  #isShown = false;
  #isWorstFirst = false;
  #poll = 0;
  #detail = 0;
  /** The cell of the tooltip. */
  #cell = null;

  /** `nameOf` gives a market's name in the chosen language. */
  constructor(elements, nameOf) {
    Object.assign(this, elements);
    this.nameOf = nameOf;
    this.order.addEventListener("click", () => {
      this.#isWorstFirst = !this.#isWorstFirst;
      this.#draw();
    });
    const cellOf = (event) => event.target.closest?.("td[data-share]");
    this.grid.addEventListener("pointerover", (event) => this.#point(cellOf(event)));
    this.grid.addEventListener("pointerleave", () => this.#point(null));
    this.grid.addEventListener("click", (event) => cellOf(event)?.focus());
    this.grid.addEventListener("focusin", (event) => this.#point(cellOf(event)));
    this.grid.addEventListener("focusout", () => this.#point(null));
    this.grid.addEventListener("keydown", (event) => this.#move(event));
    this.grid.addEventListener("scroll", () => this.#point(null));
    document.addEventListener("visibilitychange", () => this.#isShown && !document.hidden && this.#refresh());
  }

  show() {
    if (this.#isShown) return;
    this.#isShown = true;
    this.#refresh();
  }

  hide() {
    this.#isShown = false;
    clearTimeout(this.#poll);
    this.#point(null);
  }

  translate() {
    this.#draw();
  }

  async #refresh() {
    clearTimeout(this.#poll);
    try {
      const response = await fetch(`/api/completeness?days=${DAYS}`);
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      this.#data = answer;
      this.#failure = null;
    } catch (error) {
      this.#failure = error instanceof TypeError ? t("unreachableServer") : error.message;
    }
    if (!this.#isShown) return;
    this.#draw();
    clearTimeout(this.#poll);
    this.#poll = setTimeout(() => document.hidden || this.#refresh(), POLL_MS);
  }

  #draw() {
    put(this.order, t(this.#isWorstFirst ? "byName" : "worstFirst"));
    const markets = this.#data?.markets ?? [];
    this.note.hidden = markets.length > 0 && !this.#failure;
    put(this.note, this.#failure ?? t("noCompleteness"));
    this.#drawLegend();
    if (!this.#data) return;
    const cells = markets.flatMap((row) => row.cells).filter(Boolean);
    const holed = cells.filter((cell) => cell.missing_ms > 0).length;
    const verdict = holed === 0 ? t("allWhole") : `${digits(String(holed))} ${t(holed === 1 ? "cellHoled" : "cellsHoled")}`;
    put(this.summary, cells.length ? `${digits(String(markets.length))} ${t("marketsOf")} · ${verdict}` : "");
    const focused = document.activeElement?.closest?.("td[data-share]")?.dataset;
    this.#drawTable(this.#isWorstFirst ? markets.toSorted((a, b) => worst(a) - worst(b)) : markets);
    // the same cell is looked at as before
    if (focused) this.grid.querySelector(`td[data-market="${focused.market}"][data-day="${focused.day}"]`)?.focus();
  }

  #drawTable(markets) {
    const { days, now } = this.#data;
    const table = make("table", "heat");
    const head = table.createTHead().insertRow();
    head.append(Object.assign(make("th"), { textContent: t("market"), scope: "col" }));
    for (const day of days) head.append(Object.assign(make("th"), { textContent: day.slice(5), title: day, scope: "col" }));
    const body = table.createTBody();
    for (const row of markets) {
      const line = body.insertRow();
      const name = Object.assign(make("th"), { scope: "row" });
      name.append(Object.assign(make("b"), { textContent: this.nameOf(row.market) }), Object.assign(make("small"), { textContent: row.market }));
      line.append(name);
      row.cells.forEach((cell, index) => {
        const place = line.insertCell();
        Object.assign(place.dataset, { market: row.market, day: days[index], share: cell ? cell.share : "" });
        place.tabIndex = -1;
        paint(place, cell ? stepOf(cell) : "nothing");
        put(place, cell ? percentOf(cell) : "");
        place.setAttribute("aria-label", `${row.market} ${days[index]} ${cell ? `${percentOf(cell)} %` : t("notPromised")}`);
        place.isNow = days[index] === days.at(-1) && now;
        place.cell = cell;
      });
    }
    const first = body.querySelector("td");
    if (first) first.tabIndex = 0;
    this.#point(null);
    // today first, where there is no room for all days; then as it was left
    const isFirst = this.grid.childElementCount === 0;
    const scroll = [this.grid.scrollLeft, this.grid.scrollTop];
    this.grid.replaceChildren(table);
    [this.grid.scrollLeft, this.grid.scrollTop] = isFirst ? [this.grid.scrollWidth, 0] : scroll;
  }

  #drawLegend() {
    const words = { whole: "100 %", almost: "≥ 99.9 %", most: "≥ 99 %", holes: "≥ 90 %", half: "≥ 50 %", little: "< 50 %", nothing: t("notPromised") };
    this.legend.replaceChildren(...Object.entries(words).map(([step, text]) => {
      const entry = make("span", "key");
      entry.append(make("i", step), text);
      return entry;
    }));
  }

  /** Arrows move from cell to cell. */
  #move(event) {
    const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
    const from = event.target.closest("td");
    if (!from || (!right && !down)) return;
    const line = from.parentElement.parentElement.rows[from.parentElement.sectionRowIndex + down];
    const to = line?.cells[from.cellIndex + right];
    if (to?.tagName !== "TD") return;
    event.preventDefault();
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
    to.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #point(cell) {
    if (cell === this.#cell) return;
    this.#cell = cell ?? null;
    clearTimeout(this.#detail);
    this.tip.hidden = !cell;
    if (!cell) return;
    this.#drawTip(cell, null);
    if (cell.cell) this.#detail = setTimeout(() => this.#ask(cell), DETAIL_WAIT_MS);
  }

  async #ask(cell) {
    const { market, day } = cell.dataset;
    try {
      const response = await fetch(`/api/completeness/${market}?day=${day}`);
      const answer = await response.json();
      if (cell === this.#cell && response.ok) this.#drawTip(cell, answer);
    } catch {
      // the share is shown all the same
    }
  }

  #drawTip(place, detail) {
    const { cell } = place;
    const { market, day } = place.dataset;
    const line = (text, className = "") => Object.assign(make("p", className), { textContent: text });
    const lines = [line(`${this.nameOf(market)} ${market} · ${day} (UTC)`, "title")];
    if (!cell) {
      lines.push(line(t("notPromisedLong")));
    } else {
      lines.push(line(`${percentOf(cell)} % ${t("ofPromised")} ${duration(cell.promised_ms)}${place.isNow ? ` (${t("untilNow")})` : ""}`));
      if (cell.missing_ms > 0) lines.push(line(`${t("missingTime")} ${duration(cell.missing_ms)}`, "bad"));
    }
    if (detail) {
      lines.push(line(`${digits(String(detail.trades))} ${t("tradesOf")}, ${digits(String(detail.trades_repaired))} ${t("tradesRepaired")}`));
      const gaps = detail.gaps.filter((gap) => gap.cause !== "begin");
      for (const gap of gaps.slice(0, GAPS_SHOWN)) {
        const to = gap.to === null ? t("now") : timeKst(gap.to);
        const repaired = gap.trades_repaired ? ` +${digits(String(gap.trades_repaired))}` : "";
        const isHole = gap.state !== "repaired";
        lines.push(line(`${timeKst(gap.from)}–${to} KST ${t(`gap_${gap.state}`)}${repaired} (${gap.cause})`, isHole ? "bad" : ""));
      }
      if (gaps.length > GAPS_SHOWN) lines.push(line(`… ${gaps.length - GAPS_SHOWN} ${t("moreGaps")}`));
    }
    this.tip.replaceChildren(...lines);
    this.#placeTip(place.getBoundingClientRect());
  }

  /** Below the cell, or above it where there is no room. */
  #placeTip(cell) {
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = Math.max(8, Math.min(cell.left, innerWidth - width - 8));
    const top = cell.bottom + height + 8 < innerHeight ? cell.bottom + 4 : Math.max(8, cell.top - height - 4);
    Object.assign(this.tip.style, { left: `${left}px`, top: `${top}px` });
  }
}

const stepOf = ({ share, missing_ms }) => (missing_ms > 0 && share >= 0.999 ? "almost" : STEPS.find(([from]) => share >= from)[1]);
/** Cut, not rounded: 100 is said only of a day without a hole. */
const percentOf = ({ share, missing_ms }) => (missing_ms === 0 ? "100" : Math.min(99.99, Math.max(0, Math.floor(share * 10_000) / 100)).toFixed(share < 0.1 ? 1 : 2).replace(/\.?0+$/, ""));
const worst = ({ cells }) => Math.min(...cells.map((cell) => cell?.share ?? 2));
