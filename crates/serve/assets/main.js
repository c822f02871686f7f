// The page: one event stream in, every view fed from it.
import { Chart } from "./chart.js";
import { CompletenessView, isCompleteness } from "./completeness.js";
import { Console } from "./sql.js";
import { HealthView } from "./health.js";
import { MarketList } from "./market_list.js";
import { OrderBook } from "./book.js";
import { Summary } from "./summary.js";
import { Tape } from "./trades.js";
import { TopicsView, topicOf } from "./topics.js";
import { choose as chooseLanguage, preferred, remember, t, translate } from "./language.js";
import { paint, put } from "./format.js";

const MARKET_MEMORY = "hoga.market";
const INTERVAL_MEMORY = "hoga.interval";
const MARKET_CODE = /^[A-Z0-9]+-[A-Z0-9]+$/;
/** The server sends its health each second; this long without a word is a broken connection. Doubles with each try. */
const SILENCE_MS = 8_000;
const SILENCE_MAX_MS = 64_000;
const RETRY_MS = 2_000;

const $ = (id) => document.getElementById(id);

const list = new MarketList(
  { list: $("list"), search: $("search"), sorts: $("sorts"), quotes: $("quotes"), note: $("list-note") },
  (market, isFinal) => {
    choose(market);
    if (isFinal && matchMedia("(max-width: 759px)").matches) showView("chart");
  },
);
const summary = new Summary({
  name: $("market-name"), code: $("market-code"), marks: $("market-marks"), price: $("price"), change: $("change"),
  facts: $("facts"), strength: $("strength"),
});
const chart = new Chart({ canvas: $("canvas"), legend: $("legend"), note: $("chart-note") });
const book = new OrderBook({ ladder: $("ladder"), askTotal: $("ask-total"), bidTotal: $("bid-total"), time: $("book-time") });
const tape = new Tape({ tape: $("tape") });
const health = new HealthView({ badge: $("source"), banner: $("banner"), vitals: $("vitals"), panel: $("pipeline") });
const sqlConsole = new Console({
  form: $("console"), input: $("sql"), examples: $("examples"), note: $("sql-note"), result: $("result"),
});

const filter = $("message-filter").elements;
const topics = new TopicsView({
  panel: $("topics"), detail: $("topic-detail"), topicList: $("topic-list"), groupList: $("group-list"), listNote: $("topic-list-note"),
  groupNote: $("group-list-note"), title: $("topic-name"), facts: $("topic-facts"), tabs: $("topic-tabs"), back: $("topic-back"),
  panes: [...document.querySelectorAll("[data-pane]")], partitionsPane: $("partition-pane"), readersPane: $("reader-pane"),
  noReaders: $("no-readers"), groupPane: $("group-pane"), groupAbout: $("group-about"),
  messageElements: {
    form: $("message-filter"), from: filter.from, offset: filter.offset, time: filter.time, partition: filter.partition, key: filter.key,
    contains: filter.contains, pause: filter.pause, note: $("message-note"), list: $("message-list"), more: $("message-more"),
  },
});

const completeness = new CompletenessView(
  {
    grid: $("completeness-grid"), note: $("completeness-note"), summary: $("completeness-summary"), order: $("completeness-order"),
    legend: $("completeness-legend"), tip: $("completeness-tip"),
  },
  (market) => list.nameOf(market),
);

/** Views that take the whole page; the others are parts of the market's. */
const PLACES = ["topics", "completeness"];

let market = null;
let seconds = Number(remember(INTERVAL_MEMORY)) || 60;
let lastHealth = null;
let lastBook = null;

/** Shows a market everywhere, and asks the stream for its trades and book. */
function choose(next) {
  if (next === market) return;
  market = next;
  remember(MARKET_MEMORY, market);
  if (!PLACES.includes(document.body.dataset.view)) history.replaceState(null, "", `#${market}`);
  list.choose(market);
  lastBook = null;
  tape.clear(market);
  book.clear(market);
  showSummary();
  chart.show(market, seconds);
  sqlConsole.setMarket(market);
  stream.open(market);
}

function showSummary() {
  if (!market) return;
  const entry = list.get(market);
  summary.show(entry, market, list.nameOf(market));
  tape.setPrevClose(entry?.ticker?.prev_closing_price);
}

const stream = {
  source: null,
  heard: 0,
  patience: SILENCE_MS,
  retry: 0,
  broken: false,

  open(of) {
    this.source?.close();
    clearTimeout(this.retry);
    this.heard = Date.now();
    const query = of ? `?${new URLSearchParams({ market: of })}` : "";
    const source = (this.source = new EventSource(`/api/stream${query}`));
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        // a stream that was replaced may still deliver
        if (source !== this.source) return;
        this.heard = Date.now();
        handle(JSON.parse(event.data));
      });
    on("markets", (names) => {
      list.setNames(names);
      showSummary();
    });
    on("board", onBoard);
    on("trades", onTrades);
    on("book", onBook);
    on("health", onHealth);
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      this.lost();
      // a refusal ends an EventSource for good; a broken connection it mends itself
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(market), RETRY_MS);
    });
  },

  lost() {
    this.broken = true;
    showConnection();
  },
};

function onBoard(tickers) {
  list.setTickers(tickers);
  if (!market) {
    list.arrange();
    const first = list.first();
    if (first) choose(first);
  } else if (tickers.some((ticker) => ticker.market === market)) {
    showSummary();
    if (lastBook) book.show(lastBook, list.get(market)?.ticker);
  }
}

function onTrades(message) {
  if (message.market !== market) return;
  tape.add(message);
  chart.add(message.trades);
}

function onBook(next) {
  lastBook = next;
  book.show(next, list.get(next.market)?.ticker);
}

function onHealth(next) {
  stream.patience = SILENCE_MS;
  if (stream.broken) chart.reload();
  stream.broken = false;
  lastHealth = next;
  showConnection();
  health.show(next);
}

function showConnection() {
  const state = stream.broken ? "reconnecting" : (lastHealth?.source.state ?? "connecting");
  const word = { connected: "connected", ended: "connected", reconnecting: "reconnecting", unreachable: "noExchange" }[state] ?? "connecting";
  put($("connection"), t(word));
  paint($("connection"), `connection ${word}`);
  document.body.classList.toggle("stale", stream.broken);
}

function showView(view, topic = "") {
  const placeOf = (view) => (PLACES.includes(view) ? view : "market");
  const [before, place] = [placeOf(document.body.dataset.view), placeOf(view)];
  document.body.dataset.view = view;
  if (place === "topics") topics.show(topic);
  else if (before === "topics") topics.hide();
  if (place === "completeness") completeness.show();
  else if (before === "completeness") completeness.hide();
  const address = { topics: topics.address, completeness: "completeness", market: market ?? "" }[place];
  if (before !== place) history.replaceState(null, "", `#${address}`);
  for (const button of document.querySelectorAll("[data-place]")) {
    button.setAttribute("aria-pressed", String(button.dataset.place === place));
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    if (button.dataset.show === view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function showTab(tab) {
  for (const button of document.querySelectorAll("[role=tab]")) {
    const isShown = button === tab;
    button.setAttribute("aria-selected", String(isShown));
    button.tabIndex = isShown ? 0 : -1;
    $(button.getAttribute("aria-controls")).hidden = !isShown;
  }
}

function showLanguage(language) {
  chooseLanguage(language);
  translate(document);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  showConnection();
  showSummary();
  list.arrange();
  tape.translate();
  chart.translate();
  topics.translate();
  completeness.translate();
  if (lastHealth) health.show(lastHealth);
}

function showInterval(next) {
  seconds = next;
  for (const button of document.querySelectorAll("[data-seconds]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.seconds) === seconds));
  }
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => showLanguage(button.dataset.language));
}
for (const button of document.querySelectorAll("[data-seconds]")) {
  button.addEventListener("click", () => {
    showInterval(Number(button.dataset.seconds));
    remember(INTERVAL_MEMORY, seconds);
    // the stream brings its known trades again, which the new bars are to count
    if (market) {
      chart.show(market, seconds);
      stream.open(market);
    }
  });
}
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => showView(button.dataset.show));
}
for (const button of document.querySelectorAll("[data-place]")) {
  button.addEventListener("click", () => showView(button.dataset.place === "market" ? "markets" : button.dataset.place));
}
const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => showTab(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    const next = tabs[(index + 1) % tabs.length];
    showTab(next);
    next.focus();
  });
});
addEventListener("hashchange", () => {
  const wanted = location.hash.slice(1);
  const topic = topicOf(wanted);
  if (topic !== null) showView("topics", topic);
  else if (isCompleteness(wanted)) showView("completeness");
  else if (MARKET_CODE.test(wanted)) {
    if (PLACES.includes(document.body.dataset.view)) showView("markets");
    choose(wanted);
  }
});
let checked = Date.now();
setInterval(() => {
  const slept = Date.now() - checked > 2 * RETRY_MS;
  checked = Date.now();
  // a page that slept, or had no CPU, has not read what may be there
  if (slept) stream.heard = checked;
  if (!stream.source || checked - stream.heard < stream.patience) return;
  stream.patience = Math.min(2 * stream.patience, SILENCE_MAX_MS);
  stream.lost();
  stream.open(market);
}, RETRY_MS);

showLanguage(preferred());
showInterval(seconds);
const asked = location.hash.slice(1);
const topic = topicOf(asked);
if (topic !== null) showView("topics", topic);
else showView(isCompleteness(asked) ? "completeness" : "markets");
const wanted = topic === null && asked && !isCompleteness(asked) ? asked : remember(MARKET_MEMORY) || "";
if (MARKET_CODE.test(wanted)) choose(wanted);
else stream.open(null);
