// The messages of a topic: live or searched for, filtered, each opened to its headers and value.
import { bytes, duration, group, make, put } from "./format.js";
import { t } from "./language.js";
import { indent, isJson, render } from "./json_text.js";
import { deadLetterOf, reasonOf, renderLetter } from "./dead_letter.js";

const KST_OFFSET_MS = 9 * 3_600_000;
/** Rows of a live view; older ones go. */
const LIVE_ROWS = 200;
/** Rows of a search; beyond them it is narrowed, not scrolled. */
const SEARCH_ROWS = 2_000;
const PAGE = 50;
const PREVIEW_CHARACTERS = 400;
const RETRY_MS = 2_000;
const COPIED_MS = 1_500;

export class MessagesView {
  #topic = null;
  #source = null;
  #retry = 0;
  #asked = null;
  #rows = [];
  #next = null;
  #isPaused = false;
  #shown = 0;
  #dropped = 0;
  #note = () => "";

  /** `onPlace` is called with the topic, partition and offset that a dead letter came from. */
  constructor(elements, onPlace) {
    Object.assign(this, elements);
    this.onPlace = onPlace;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.from.addEventListener("change", () => {
      this.#showInputs();
      if (!this.#needsPlace()) this.#begin();
      else (this.from.value === "time" ? this.time : this.offset).focus();
    });
    this.partition.addEventListener("change", () => this.#needsPlace() || this.#begin());
    this.pause.addEventListener("click", () => (this.#isPaused ? this.#begin() : this.#pause()));
    this.more.addEventListener("click", () => this.#search(this.#next, true));
  }

  /** Chooses a topic, to be shown from now on, or from an offset of one of its partitions. */
  choose(topic, partitions, place) {
    this.#stop();
    this.#isPaused = false;
    this.#topic = topic;
    this.#showPartitions(partitions);
    this.partition.value = place ? String(place.partition) : "";
    this.from.value = place ? "offset" : "live";
    this.offset.value = place ? String(place.offset) : "";
    for (const input of [this.key, this.contains]) input.value = "";
    this.#showInputs();
    this.#clear();
  }

  /** Begins, or goes on after another view was shown. */
  show() {
    const isLive = this.from.value === "live";
    if (this.#topic && !this.#source && !this.#isPaused && (isLive || !this.#rows.length)) this.#begin();
  }

  hide() {
    this.#stop();
  }

  translate() {
    this.#showPause();
    this.#showMore();
    put(this.note, this.#note());
    for (const row of this.#rows) row.translate();
  }

  #showPartitions(partitions) {
    const option = (value, text) => Object.assign(make("option", "", text), { value });
    const all = option("", t("allPartitions"));
    all.dataset.text = "allPartitions";
    this.partition.replaceChildren(all, ...partitions.map(({ partition }) => option(String(partition), String(partition))));
  }

  #showInputs() {
    this.offset.hidden = this.from.value !== "offset";
    this.time.hidden = this.from.value !== "time";
    this.#showPause();
  }

  #needsPlace() {
    return (this.from.value === "offset" && !this.offset.value) || (this.from.value === "time" && !this.time.value);
  }

  #query(extra) {
    const query = new URLSearchParams(extra);
    for (const input of [this.partition, this.key, this.contains]) {
      const value = input === this.contains ? input.value : input.value.trim();
      if (value) query.set(input.name, value);
    }
    return query;
  }

  #begin() {
    this.#stop();
    this.#isPaused = false;
    this.#clear();
    if (this.from.value === "live") return this.#live();
    if (this.#needsPlace()) return this.#say(() => t("placeNeeded"));
    // typed as Korea's time, like every time on this page
    const place = { offset: () => `offset:${this.offset.value}`, time: () => `time:${Date.parse(`${this.time.value}Z`) - KST_OFFSET_MS}` };
    return this.#search(place[this.from.value]?.() ?? this.from.value, false);
  }

  #stop() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
    this.#asked?.abort();
    this.#asked = null;
  }

  #clear() {
    this.#rows = [];
    this.list.replaceChildren();
    this.list.scrollTop = 0;
    this.#next = null;
    this.#shown = this.#dropped = 0;
    this.#showMore();
    this.#showPause();
  }

  #live() {
    this.#say(() => t("connecting"));
    const source = (this.#source = new EventSource(`/api/topics/${encodeURIComponent(this.#topic)}/live?${this.#query({})}`));
    source.addEventListener("messages", (event) => {
      if (source === this.#source) this.#onLive(JSON.parse(event.data));
    });
    source.addEventListener("failed", (event) => {
      if (source !== this.#source) return;
      this.#stop();
      const { error } = JSON.parse(event.data);
      this.#say(() => error);
    });
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      this.#say(() => t("reconnecting"));
      // a refusal ends an EventSource for good; a broken connection it mends itself
      if (source.readyState === EventSource.CLOSED) this.#retry = setTimeout(() => this.#begin(), RETRY_MS);
    });
  }

  #onLive({ messages, dropped, older }) {
    // the first event of a connection, also of one that was mended
    if (older !== undefined) {
      this.#clear();
      this.#next = older;
    } else {
      this.#shown += messages.length;
    }
    this.#dropped += dropped;
    const rows = messages.map((message) => this.#row(message));
    this.list.prepend(...rows.map((row) => row.element));
    this.#rows = [...rows, ...this.#rows];
    const surplus = this.#rows.splice(LIVE_ROWS);
    for (const row of surplus) row.element.remove();
    // older ones would not join on to what is left
    if (surplus.length) this.#next = null;
    this.#showMore();
    this.#sayLive();
  }

  #sayLive() {
    this.#say(() => {
      const arrived = `${t(this.#isPaused ? "paused" : "liveNow")} · ${t("arrived")} ${count(this.#shown)}`;
      const dropped = this.#dropped ? ` · ${t("notShown")} ${count(this.#dropped)}` : "";
      return arrived + dropped + (this.#rows.length ? "" : ` · ${t("noMessagesYet")}`);
    });
  }

  #pause() {
    if (!this.#source) return;
    this.#stop();
    this.#isPaused = true;
    this.#showPause();
    this.#sayLive();
  }

  #showPause() {
    this.pause.hidden = this.from.value !== "live";
    put(this.pause, t(this.#isPaused ? "resume" : "pause"));
  }

  async #search(from, isMore) {
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    if (!isMore) this.#say(() => t("searching"));
    this.more.disabled = true;
    try {
      const query = this.#query({ from, limit: String(PAGE) });
      const response = await fetch(`/api/topics/${encodeURIComponent(this.#topic)}/messages?${query}`, { signal: asked.signal });
      const answer = response.headers.get("content-type")?.includes("json") ? await response.json() : { error: await response.text() };
      if (asked !== this.#asked) return;
      if (response.ok) this.#onFound(answer);
      else this.#say(() => answer.error);
    } catch {
      if (asked === this.#asked) this.#say(() => t("unreachableServer"));
    } finally {
      if (asked === this.#asked) this.more.disabled = false;
    }
  }

  #onFound({ messages, next, stopped, searched_records, searched_bytes, elapsed_ms }) {
    const rows = messages.map((message) => this.#row(message));
    this.#rows.push(...rows);
    this.list.append(...rows.map((row) => row.element));
    this.#next = this.#rows.length < SEARCH_ROWS ? next : null;
    this.#showMore(stopped);
    const found = this.#rows.length;
    this.#say(() => {
      const words = { end: "searchEnd", limit: "searchLimit", bytes: "searchBytes" };
      const searched = `${t("searched")} ${count(searched_records)} (${bytes(searched_bytes)}, ${duration(elapsed_ms)})`;
      return `${t("found")} ${count(found)} · ${searched} · ${t(found ? words[stopped] : stopped === "end" ? "noMessages" : words[stopped])}`;
    });
  }

  #showMore(stopped) {
    this.more.hidden = this.#next === null;
    if (stopped) this.more.dataset.text = stopped === "bytes" ? "searchOn" : "moreMessages";
    else if (this.from.value === "live") this.more.dataset.text = "olderMessages";
    put(this.more, t(this.more.dataset.text));
  }

  #say(note) {
    this.#note = note;
    put(this.note, note());
  }

  #row(message) {
    return new MessageRow(message, {
      onPlace: this.onPlace,
      // what is being read must not run away
      onOpen: () => this.#pause(),
      onKey: (key) => {
        this.key.value = key;
        this.#begin();
      },
    });
  }
}

class MessageRow {
  constructor(message, calls) {
    this.message = message;
    this.calls = calls;
    this.letter = deadLetterOf(message);
    this.element = make("div", "message");
    this.line = Object.assign(make("button", "line"), { type: "button" });
    this.line.setAttribute("aria-expanded", "false");
    const time = make("span", "when", kst(message.timestamp).slice(5));
    time.title = `${kst(message.timestamp)} KST · ${message.timestamp}`;
    const place = make("span", "where");
    place.append(make("small", "", `${message.partition}·`), count(message.offset));
    place.title = `${t("partition")} ${message.partition}, ${t("offset")} ${message.offset}`;
    this.preview = make("span", "preview");
    this.line.append(time, place, make("span", message.key === null ? "whose none" : "whose", message.key?.text ?? "–"), this.preview);
    this.line.addEventListener("click", () => this.#toggle());
    this.element.append(this.line);
    this.translate();
  }

  translate() {
    const value = make("span", "", this.message.value.text.slice(0, PREVIEW_CHARACTERS).replace(/\s+/g, " "));
    if (this.letter) this.preview.replaceChildren(make("b", "dead", t("dead")), ` ${reasonOf(this.letter)} `, value);
    else this.preview.replaceChildren(value);
    if (this.opened) this.#open();
  }

  #toggle() {
    const isOpen = !this.opened;
    this.line.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      this.calls.onOpen();
      this.#open();
    } else {
      this.opened.remove();
      this.opened = null;
    }
  }

  #open() {
    this.opened?.remove();
    const { message } = this;
    this.opened = make("div", "opened");
    if (this.letter) this.opened.append(renderLetter(this.letter, this.calls.onPlace));
    const facts = make("dl", "about");
    const fact = (term, value) => {
      const pair = make("div");
      const content = make("dd");
      content.append(value);
      pair.append(make("dt", "", term), content);
      facts.append(pair);
    };
    fact(t("partition"), String(message.partition));
    fact(t("offset"), String(message.offset));
    fact(t("timeKst"), `${kst(message.timestamp)} (${message.timestamp})`);
    fact(t("key"), message.key === null ? "–" : this.#keyButton());
    this.opened.append(facts);
    if (message.headers.length) this.opened.append(this.#headers());
    this.opened.append(this.#value());
    this.element.append(this.opened);
  }

  #keyButton() {
    const { key } = this.message;
    if (key.binary || key.clipped) return contentText(key);
    const button = Object.assign(make("button", "place", key.text), { type: "button", title: t("onlyKey") });
    button.addEventListener("click", () => this.calls.onKey(key.text));
    return button;
  }

  #headers() {
    const table = make("table", "headers");
    table.createCaption().textContent = `${t("headers")} ${this.message.headers_total}`;
    const body = table.createTBody();
    for (const { name, value } of this.message.headers) {
      const row = body.insertRow();
      row.append(Object.assign(make("th", "", name), { scope: "row" }));
      row.insertCell().textContent = contentText(value);
    }
    return table;
  }

  #value() {
    const { value } = this.message;
    const box = make("div", "value");
    const head = make("div", "value-head");
    const kind = value.binary ? t("binary") : isJson(value.text) ? "JSON" : t("plainText");
    head.append(make("b", "", t("value")), make("span", "aside", `${kind} · ${count(value.bytes)} B${value.clipped ? ` · ${t("clipped")}` : ""}`));
    const copy = Object.assign(make("button", "small", t("copy")), { type: "button" });
    copy.addEventListener("click", async () => {
      put(copy, t((await copyText(indent(value.text))) ? "copied" : "copyFailed"));
      setTimeout(() => put(copy, t("copy")), COPIED_MS);
    });
    head.append(copy);
    box.append(head, value.bytes ? render(value.text) : make("p", "aside", t("emptyValue")));
    return box;
  }
}

const count = (value) => group(String(value));
const contentText = ({ text, binary, clipped }) => (binary ? `0x${text}` : text) + (clipped ? "…" : "");
/** 2026-07-30 16:04:03.831 in Korea. */
const kst = (ms) => {
  const date = new Date(ms + KST_OFFSET_MS);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString().replace("T", " ").replace("Z", "");
};

/** Only a page of localhost or of https may use the clipboard directly. */
async function copyText(text) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // refused: the old way may still be allowed
  }
  const area = Object.assign(make("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}
