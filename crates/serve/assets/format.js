// Numbers and times as text. Decimals arrive as exact text and stay text: only what is rounded on purpose goes through
// a double.

const KST_OFFSET_MS = 9 * 3_600_000;
/** Upbit's smallest order per quote currency: sizes below it need not be told apart. */
const ORDER_MIN = { KRW: 5_000, BTC: 0.00005, USDT: 0.5 };
/** [price from which on, decimals]; only pads with zeros, so a coarser or finer tick is still shown exactly. */
const TICK_DECIMALS = {
  KRW: [[100, 0], [10, 1], [1, 2], [0.1, 3], [0.01, 4], [0.001, 5], [0.0001, 6], [0.00001, 7], [0, 8]],
  USDT: [[10, 2], [1, 3], [0.1, 4], [0.01, 5], [0.001, 6], [0.0001, 7], [0, 8]],
};

export const quoteOf = (market) => market.split("-")[0];
export const baseOf = (market) => market.split("-")[1] ?? market;

export function tickDecimals(market, price) {
  const steps = TICK_DECIMALS[quoteOf(market)];
  if (!steps) return 8;
  return steps.find(([from]) => Number(price) >= from)?.[1] ?? 8;
}

export const fractionDigits = (text) => (text?.includes(".") ? text.length - text.indexOf(".") - 1 : 0);

/** Thousands separators into exact text, the fraction padded to `decimals`; no digit is dropped. */
export function group(text, decimals = 0) {
  if (text === null || text === undefined) return "–";
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = (negative ? text.slice(1) : text).split(".");
  const padded = fraction.padEnd(decimals, "0");
  return (negative ? "-" : "") + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (padded && `.${padded}`);
}

/** Rounded to `decimals`, with separators. */
export const rounded = (value, decimals) =>
  Number.isFinite(Number(value)) && value !== null ? group(Number(value).toFixed(decimals), decimals) : "–";

/** How many decimals a size in this market needs to tell the smallest orders apart. */
export function sizeDecimals(market, price) {
  const ratio = Number(price) / (ORDER_MIN[quoteOf(market)] ?? 1);
  return ratio > 0 ? Math.min(8, Math.max(Number(price) < 10 ? 0 : 2, Math.ceil(Math.log10(ratio)))) : 3;
}

export function percent(rate) {
  if (rate === null || rate === undefined) return "–";
  const text = Math.abs(rate * 100).toFixed(2);
  return (Number(text) === 0 ? "" : rate > 0 ? "+" : "-") + text + "%";
}

/** 1.23조, 1,234억 in Korean; 1.23T, 123B in English. */
export function compact(text, language) {
  const value = Number(text);
  if (text === null || text === undefined || !Number.isFinite(value)) return "–";
  return language === "ko" ? compactKorean(value) : compactEnglish(value);
}

function compactKorean(value) {
  if (value >= 1e12) return `${rounded(value / 1e12, 2)}조`;
  if (value >= 1e10) return `${rounded(value / 1e8, 0)}억`;
  if (value >= 1e8) return `${rounded(value / 1e8, 1)}억`;
  if (value >= 1e4) return `${rounded(value / 1e4, 0)}만`;
  return rounded(value, value < 100 ? 2 : 0);
}

function compactEnglish(value) {
  for (const [unit, name] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (value >= unit) return rounded(value / unit, value / unit >= 100 ? 0 : value / unit >= 10 ? 1 : 2) + name;
  }
  return rounded(value, value < 100 ? 2 : 0);
}

export const bytes = (value) => {
  if (value < 2 ** 10) return `${value} B`;
  const unit = value >= 2 ** 30 ? [2 ** 30, "GB"] : value >= 2 ** 20 ? [2 ** 20, "MB"] : [2 ** 10, "KB"];
  return `${(value / unit[0]).toFixed(value / unit[0] >= 100 ? 0 : 1)} ${unit[1]}`;
};

/** A short duration: 120 ms, 4.2 s, 3 m, 5 h, 2 d. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m ${Math.floor((ms / 1_000) % 60)}s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}h ${Math.floor((ms / 60_000) % 60)}m`;
  return `${Math.floor(ms / 86_400_000)}d ${Math.floor((ms / 3_600_000) % 24)}h`;
}

export const timeKst = (ms) => new Date(ms + KST_OFFSET_MS).toISOString().slice(11, 19);
export const kstSeconds = (ms) => Math.floor((ms + KST_OFFSET_MS) / 1_000);

/** The class that colours a number: red up, blue down. */
export const direction = (value) => (Number(value) > 0 ? "rises" : Number(value) < 0 ? "falls" : "even");

/** Writes text only where it changed, so that a beat of the stream costs what moved. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function paint(element, name) {
  if (element.className !== name) element.className = name;
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
