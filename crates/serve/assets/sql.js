// A small SQL console on the live tables.
import { make, put } from "./format.js";
import { remember, t } from "./language.js";

const MEMORY = "hoga.sql";
const EXAMPLES = (market) => [
  `SELECT market, count(*) AS trades, sum(trade_price * trade_volume) AS turnover\nFROM upbit.trade\nGROUP BY market\nORDER BY turnover DESC\nLIMIT 20`,
  `SELECT trade_timestamp, trade_price, trade_volume, ask_bid, sequential_id\nFROM upbit.trade\nWHERE market = '${market}'\nORDER BY trade_timestamp DESC, sequential_id DESC\nLIMIT 50`,
  `SELECT date_bin(INTERVAL '1 minute', trade_timestamp) AS minute,\n       min(trade_price) AS low, max(trade_price) AS high, sum(trade_volume) AS volume, count(*) AS trades\nFROM upbit.trade\nWHERE market = '${market}'\nGROUP BY 1\nORDER BY 1 DESC\nLIMIT 60`,
  `SELECT market, ask_bid, count(*) AS trades, sum(trade_volume) AS volume\nFROM upbit.trade\nGROUP BY market, ask_bid\nORDER BY market, ask_bid`,
];

export class Console {
  #market = "KRW-BTC";
  #running = null;

  constructor(elements) {
    Object.assign(this, elements);
    this.input.value = remember(MEMORY) || EXAMPLES(this.#market)[0];
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.#run();
      }
    });
    this.examples.addEventListener("change", () => {
      const example = EXAMPLES(this.#market)[Number(this.examples.value)];
      if (example) this.input.value = example;
      this.examples.value = "";
    });
    this.setMarket(this.#market);
  }

  setMarket(market) {
    this.#market = market;
    const option = (value, text) => Object.assign(make("option", "", text), { value });
    this.examples.replaceChildren(
      option("", "…"),
      ...EXAMPLES(market).map((sql, index) => option(String(index), sql.replace(/\s+/g, " ").slice(0, 72))),
    );
  }

  async #run() {
    remember(MEMORY, this.input.value);
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    put(this.note, t("running"));
    try {
      const response = await fetch("/api/sql", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql: this.input.value }),
        signal: running.signal,
      });
      const answer = await response.json();
      if (running !== this.#running) return;
      if (response.ok) this.#show(answer);
      else this.#fail(answer.error);
    } catch {
      if (running === this.#running) this.#fail(t("unreachableServer"));
    }
  }

  #show({ columns, rows, truncated, elapsed_ms }) {
    put(this.note, `${rows.length} ${t("rows")} ${truncated ? t("truncated") : ""} · ${elapsed_ms} ms`);
    const table = make("table");
    const head = table.createTHead().insertRow();
    for (const { name, type, numeric } of columns) {
      const cell = make("th", numeric ? "number" : "", name);
      cell.scope = "col";
      cell.append(make("small", "", type));
      head.append(cell);
    }
    const body = table.createTBody();
    for (const values of rows) {
      const row = body.insertRow();
      values.forEach((value, index) => {
        const cell = row.insertCell();
        cell.textContent = value ?? "NULL";
        cell.className = value === null ? "null" : columns[index].numeric ? "number" : "";
      });
    }
    this.result.replaceChildren(table);
  }

  #fail(reason) {
    put(this.note, "");
    this.result.replaceChildren(make("pre", "error", reason));
  }
}
