// How the pipeline is: the line in the header, the banner, the badge of the source, and the panel.
import { bytes, duration, group, make, paint, put, rounded } from "./format.js";
import { both, t } from "./language.js";

const HISTORY = 120;
const SPARK = { width: 240, height: 44 };
const SVG = "http://www.w3.org/2000/svg";
/** Lag beyond this is worth a colour. */
const LAG_RECORDS_HIGH = 5_000;

export class HealthView {
  #rates = [];

  constructor(elements) {
    Object.assign(this, elements);
    this.badgeFirst = make("b");
    this.badgeSecond = make("span");
    this.badge.append(this.badgeFirst, this.badgeSecond);
    this.bannerReason = make("span");
    // read out once, not at every second of the countdown
    this.bannerRetry = make("span");
    this.bannerRetry.setAttribute("aria-hidden", "true");
    this.banner.append(this.bannerReason, this.bannerRetry);
    this.vitalsView = new Pairs(this.vitals);
    const tiles = make("dl", "tiles");
    this.tiles = new Pairs(tiles);
    this.spark = sparkline();
    const top = make("div", "top");
    const curve = make("figure", "curve");
    this.curveTitle = make("figcaption");
    curve.append(this.curveTitle, this.spark);
    top.append(curve, tiles);
    const tables = make("div", "tables");
    this.streams = new Grid(tables, "streams", ["stream", "received", "rate", "lastEvent"]);
    this.jobs = new Grid(tables, "jobs", ["job", "rowsIn", "rowsOut", "rate", "lag", "dead"]);
    this.tables = new Grid(tables, "tables", ["table", "committed", "live", "snapshot", "commitAge", "files", "bytes"]);
    this.topics = new Grid(tables, "topics", ["topic", "records", "partitions", "bytes"]);
    this.newFields = new Grid(tables, "newFields", ["topic", "field", "values", "example", "column", "addTo"]);
    this.panel.append(top, tables);
  }

  show(health) {
    const rate = sum(health.streams.map((stream) => stream.rate_per_s));
    this.#rates = [...this.#rates, rate].slice(-HISTORY);
    this.#showSource(health.source);
    this.#showVitals(health, rate);
    this.#showTiles(health);
    this.#showTables(health);
    this.#showNewFields(health);
    this.#drawSpark();
  }

  #showSource({ name, simulated, state, reason, retry_in_ms }) {
    const replay = name.startsWith("replay");
    const word = replay ? (state === "ended" ? "replayEnded" : "replay") : simulated ? "simulated" : "";
    this.badge.hidden = !word;
    // in both languages where there is room: nobody may take these prices for the exchange's
    const [first, second] = word ? both(word) : ["", ""];
    put(this.badgeFirst, first);
    put(this.badgeSecond, ` · ${second}`);
    this.badge.title = name;
    paint(this.badge, `badge ${replay ? "replay" : "simulated"}`);
    const unreachable = state === "unreachable";
    this.banner.hidden = !unreachable;
    if (!unreachable) return;
    put(this.bannerReason, `${t("unreachable")}: ${reason ?? ""}`);
    put(this.bannerRetry, retry_in_ms === null ? "" : ` · ${t("retryIn")} ${duration(retry_in_ms)}`);
  }

  #showVitals(health, rate) {
    const lag = sum(health.jobs.map((job) => job.lag_records));
    this.vitalsView.show([
      [t("eventsPerSecond"), rounded(rate, 0), ""],
      [t("lag"), group(String(lag)), lag > LAG_RECORDS_HIGH ? "bad" : ""],
      [t("latency"), milliseconds(health.visible_latency.p99_ms), ""],
      [t("memory"), bytes(health.process.resident_bytes), ""],
    ]);
  }

  #showTiles(health) {
    const { checkpoint, process, source, visible_latency: latency } = health;
    const commitAges = health.tables.map((table) => table.last_commit_age_ms).filter((age) => age !== null);
    this.tiles.show([
      [t("source"), `${source.name} · ${source.state}`, source.state === "unreachable" ? "bad" : ""],
      [t("latency50"), milliseconds(latency.p50_ms), ""],
      [t("latency"), milliseconds(latency.p99_ms), ""],
      [t("lastCommit"), commitAges.length ? `${duration(Math.min(...commitAges))} ${t("ago")}` : "–", ""],
      [t("checkpoint"), checkpoint.last_id === null ? "–" : `#${checkpoint.last_id} · ${duration(checkpoint.duration_ms)}`, ""],
      [t("deadLetters"), group(String(health.dead_letters_total)), health.dead_letters_total ? "bad" : ""],
      [t("memory"), bytes(process.resident_bytes), ""],
      [t("cpu"), `${rounded(process.cpu_cores * 100, 0)}%`, ""],
      [t("reconnects"), group(String(source.reconnects_total)), ""],
      ...connectionTiles(source.connections),
      [t("uptime"), `${duration(health.uptime_ms)} · v${health.version}`, ""],
    ]);
  }

  #showTables({ streams, jobs, tables, topics }) {
    this.streams.show(streams.map((stream) => [
      stream.name, count(stream.received_total), rounded(stream.rate_per_s, 0), duration(stream.last_event_age_ms),
    ]));
    this.jobs.show(jobs.map((job) => [
      job.name, count(job.rows_in_total), count(job.rows_out_total), rounded(job.rate_per_s, 0),
      job.error ?? `${count(job.lag_records)}${job.lag_ms === null ? "" : ` · ${duration(job.lag_ms)}`}`,
      count(job.dead_letters_total),
    ]), (index) => (jobs[index].error ? "bad" : ""));
    this.tables.show(tables.map((table) => [
      table.name, count(table.committed_rows), count(table.live_rows),
      table.last_snapshot_id === null ? "–" : `#${table.last_snapshot_id}`,
      table.last_commit_age_ms === null ? "–" : `${duration(table.last_commit_age_ms)} ${t("ago")}`,
      table.files === null ? "–" : count(table.files), table.bytes === null ? "–" : bytes(table.bytes),
    ]));
    this.topics.show(topics.map((topic) => [
      topic.name, count(sum(topic.partitions.map((p) => p.end_offset - p.start_offset))),
      String(topic.partitions.length), bytes(topic.bytes),
    ]));
  }

  /// Fields that the pipeline does not declare: the column that takes each, and the statements to add it to.
  #showNewFields({ new_fields: fields, new_fields_unlisted_total: unlisted }) {
    const rows = fields.map((field) => [
      field.topic, field.field, count(field.values_total), field.example ?? "–", field.column ?? "–",
      field.pipeline.map(({ statement }) => statement).join(" · ") || "–",
    ]);
    if (unlisted) rows.push(["…", "…", count(unlisted), "–", "–", "–"]);
    this.newFields.show(rows);
  }

  #drawSpark() {
    const max = Math.max(...this.#rates, 1);
    const step = SPARK.width / (HISTORY - 1);
    const from = HISTORY - this.#rates.length;
    const points = this.#rates.map((rate, index) => [
      ((from + index) * step).toFixed(1),
      (SPARK.height - 2 - (rate / max) * (SPARK.height - 6)).toFixed(1),
    ]);
    this.spark.lastChild.setAttribute("points", points.map((point) => point.join(",")).join(" "));
    put(this.curveTitle, `${rounded(this.#rates.at(-1), 0)} ${t("eventsPerSecond")}`);
  }
}

/** Terms and values that are made once and then only written to. */
class Pairs {
  #pairs = [];

  constructor(list) {
    this.list = list;
  }

  show(pairs) {
    pairs.forEach(([term, value, name], index) => {
      const pair = (this.#pairs[index] ??= this.#add());
      put(pair.term, term);
      put(pair.value, value);
      paint(pair.value, name);
    });
  }

  #add() {
    const pair = { term: make("dt"), value: make("dd") };
    const both = make("div");
    both.append(pair.term, pair.value);
    this.list.append(both);
    return pair;
  }
}

/** A table whose cells are made once and then only written to. */
export class Grid {
  constructor(parent, title, columns) {
    this.title = title;
    this.columns = columns;
    this.table = make("table");
    this.caption = this.table.createCaption();
    this.head = this.table.createTHead().insertRow();
    this.head.append(...columns.map(() => Object.assign(make("th"), { scope: "col" })));
    this.body = this.table.createTBody();
    parent.append(this.table);
  }

  show(rows, nameOf = () => "") {
    this.table.hidden = rows.length === 0;
    put(this.caption, t(this.title));
    this.columns.forEach((column, index) => put(this.head.children[index], t(column)));
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
    rows.forEach((values, index) => {
      const row = this.body.rows[index] ?? this.body.insertRow();
      while (row.cells.length < values.length) row.insertCell();
      values.forEach((value, column) => put(row.cells[column], value));
      paint(row, nameOf(index));
    });
  }
}

function sparkline() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "polyline"));
  return svg;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const count = (value) => group(String(value));
const milliseconds = (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);

/// Of several connections: how many bring every market, and how many were lost.
function connectionTiles({ wanted, settled, lost_total: lost }) {
  if (wanted < 2) return [];
  return [[t("connections"), `${settled}/${wanted} · ${count(lost)} ${t("lost")}`, settled < wanted ? "bad" : ""]];
}
