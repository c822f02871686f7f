// The price chart: bars from the server, kept moving by the trades of the stream.
import { CandlestickSeries, ColorType, CrosshairMode, HistogramSeries, createChart } from "./vendor/lightweight-charts.js";
import { Bars } from "./bars.js";
import { t } from "./language.js";
import { direction, group, kstSeconds, make, percent, put, rounded, tickDecimals } from "./format.js";

const COUNT = 300;
/** How many bars are asked for again, and how often: what came late or was missed gets in. */
const REPAIR_COUNT = 3;
const REPAIR_INTERVAL_MS = 20_000;
const RECENT_MAX = 400;
const BAR_SPACING = 7;
const RIGHT_OFFSET = 4;

export class Chart {
  #market = null;
  #seconds = 60;
  #bars = new Bars(60);
  #decimals = 0;
  #loaded = false;
  /** What the stream brought lately: the server's bars may know less than it. */
  #recent = [];
  #request = 0;
  #hovered = null;

  constructor(elements) {
    Object.assign(this, elements);
    this.chart = createChart(this.canvas, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.24 } },
      timeScale: { timeVisible: true, rightOffset: RIGHT_OFFSET, barSpacing: BAR_SPACING, minBarSpacing: 2 },
      localization: { priceFormatter: (price) => rounded(price, this.#decimals) },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.volumes = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.chart.subscribeCrosshairMove((event) => {
      this.#hovered = event.time ?? null;
      this.#drawLegend();
    });
    this.legendParts = this.#makeLegend();
    // a phone shows the chart only when it is asked for; without a width there was nothing to place the bars in
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (width === 0 && contentRect.width > 0) requestAnimationFrame(() => this.#showLatest());
      width = contentRect.width;
    }).observe(this.canvas);
    this.#paint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
    setInterval(() => this.#loaded && !document.hidden && this.#repair(), REPAIR_INTERVAL_MS);
  }

  /** Shows another market or interval, from the server's bars on. */
  show(market, seconds) {
    this.#market = market;
    this.#seconds = seconds;
    this.#bars = new Bars(seconds);
    this.#loaded = false;
    this.#recent = [];
    this.#hovered = null;
    this.chart.timeScale().applyOptions({ secondsVisible: seconds < 60 });
    this.#note("");
    this.#load();
  }

  /** The whole of what the stream knows, or what is new; both are counted once. */
  add(trades) {
    this.#recent = [...this.#recent, ...trades].slice(-RECENT_MAX);
    if (!this.#loaded) return;
    const before = this.#bars.last()?.start;
    for (const trade of trades) {
      const bar = this.#bars.add(trade);
      if (bar) this.#update(bar);
    }
    this.#note(this.#bars.last() ? "" : t("noBars"));
    this.#drawLegend();
    if (before !== undefined && before !== this.#bars.last()?.start && this.#seconds >= 60) this.#repair();
  }

  /** The words of the legend in the chosen language. */
  translate() {
    this.#drawLegend();
  }

  /** After the stream was away: bars may lack what it would have brought. */
  reload() {
    if (this.#market && this.#loaded) this.#load();
  }

  async #load() {
    const request = (this.#request += 1);
    const bars = await this.#fetch(COUNT);
    if (request !== this.#request) return;
    if (!bars) {
      this.#note(t("barsFailed"));
      setTimeout(() => request === this.#request && this.#load(), 3_000);
      return;
    }
    const isFirst = !this.#loaded;
    this.#loaded = true;
    this.#merge(bars);
    if (isFirst) this.#showLatest();
  }

  async #repair() {
    const request = this.#request;
    const bars = await this.#fetch(REPAIR_COUNT);
    if (bars && request === this.#request) this.#merge(bars);
  }

  #merge(bars) {
    this.#bars.merge(bars);
    for (const trade of this.#recent) this.#bars.add(trade);
    this.#draw();
    this.#drawLegend();
  }

  async #fetch(count) {
    try {
      const query = new URLSearchParams({ market: this.#market, seconds: this.#seconds, count });
      const response = await fetch(`/api/bars?${query}`);
      return response.ok ? (await response.json()).bars : null;
    } catch {
      return null;
    }
  }

  #draw() {
    const bars = this.#bars.all();
    const last = bars.at(-1);
    this.#decimals = last ? tickDecimals(this.#market, last.close) : 0;
    const minMove = 10 ** -this.#decimals;
    this.candles.applyOptions({ priceFormat: { type: "price", precision: this.#decimals, minMove } });
    this.candles.setData(bars.map((bar) => this.#candle(bar)));
    this.volumes.setData(bars.map((bar) => this.#volume(bar)));
    this.#note(last ? "" : t("noBars"));
  }

  #update(bar) {
    this.candles.update(this.#candle(bar));
    this.volumes.update(this.#volume(bar));
  }

  #candle({ start, open, high, low, close }) {
    return { time: kstSeconds(start), open, high, low, close };
  }

  #volume({ start, open, close, volume }) {
    return { time: kstSeconds(start), value: volume, color: close >= open ? this.risesFaint : this.fallsFaint };
  }

  #showLatest() {
    this.chart.timeScale().applyOptions({ barSpacing: BAR_SPACING });
    this.chart.timeScale().scrollToPosition(RIGHT_OFFSET, false);
    this.chart.priceScale("right").applyOptions({ autoScale: true });
    this.#drawLegend();
  }

  #paint() {
    const style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [rises, falls] = [colour("--rises"), colour("--falls")];
    this.risesFaint = colour("--rises-faint");
    this.fallsFaint = colour("--falls-faint");
    const line = colour("--line");
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: colour("--panel") }, textColor: colour("--muted") },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.candles.applyOptions({ upColor: rises, downColor: falls, wickUpColor: rises, wickDownColor: falls });
    this.volumes.setData(this.#bars.all().map((bar) => this.#volume(bar)));
  }

  #makeLegend() {
    const parts = ["legendOpen", "legendHigh", "legendLow", "legendClose", "legendVolume", "change"].map((word) => {
      const part = { word, label: make("span", "label"), value: make("span", "value") };
      const pair = make("span", "pair");
      pair.append(part.label, part.value);
      this.legend.append(pair);
      return part;
    });
    return parts;
  }

  #drawLegend() {
    const bars = this.#bars.all();
    const bar = bars.find((candidate) => kstSeconds(candidate.start) === this.#hovered) ?? bars.at(-1);
    const price = (value) => (bar ? rounded(value, this.#decimals) : "–");
    const values = {
      legendOpen: price(bar?.open),
      legendHigh: price(bar?.high),
      legendLow: price(bar?.low),
      legendClose: price(bar?.close),
      legendVolume: bar ? group(String(Number(bar.volume.toFixed(3)))) : "–",
      change: bar ? percent(bar.close / bar.open - 1) : "–",
    };
    for (const { word, label, value } of this.legendParts) {
      put(label, word === "change" ? "" : t(word));
      put(value, values[word]);
      value.className = `value ${direction(bar ? bar.close - bar.open : 0)}`;
    }
  }

  #note(text) {
    put(this.note, text);
    this.note.hidden = !text;
  }
}
