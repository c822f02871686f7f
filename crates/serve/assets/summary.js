// The chosen market's name, price and the day's figures; and the document's title.
import { showBadges } from "./badges.js";
import { current, t } from "./language.js";
import { compact, direction, group, make, paint, percent, put, rounded, tickDecimals } from "./format.js";
import { flash } from "./market_list.js";

const FACTS = ["high", "low", "prevClose", "volume24h", "turnover24h", "range52w"];

export class Summary {
  #last = null;

  constructor(elements) {
    Object.assign(this, elements);
    this.values = new Map(FACTS.map((fact) => [fact, this.#addFact()]));
  }

  show(entry, market, name) {
    const ticker = entry?.ticker;
    put(this.name, name);
    put(this.code, market);
    showBadges(this.marks, entry);
    const decimals = tickDecimals(market, ticker?.trade_price);
    const colour = direction(ticker?.signed_change_rate ?? 0);
    const arrow = { rises: "▲", falls: "▼", even: "" }[colour];
    const price = group(ticker?.trade_price, decimals);
    put(this.price, price);
    paint(this.price, `price ${colour}`);
    put(this.change, ticker ? `${percent(ticker.signed_change_rate)}  ${arrow} ${group(ticker.signed_change_price, decimals).replace("-", "")}` : "");
    paint(this.change, `change ${colour}`);
    this.#facts(ticker, decimals);
    put(this.strength, strengthOf(ticker));
    paint(this.strength, direction(Number(ticker?.acc_bid_volume ?? 0) - Number(ticker?.acc_ask_volume ?? 0)));
    const title = ticker ? `${arrow}${price} ${market} · hoga` : "hoga";
    if (document.title !== title) document.title = title;
    if (ticker && this.#last?.market === market && this.#last.price !== ticker.trade_price) {
      flash(this.price, direction(Number(ticker.trade_price) - Number(this.#last.price)));
    }
    this.#last = { market, price: ticker?.trade_price };
  }

  #facts(ticker, decimals) {
    const price = (field) => group(ticker?.[field], decimals);
    const facts = {
      high: [t("high"), price("high_price"), "rises"],
      low: [t("low"), price("low_price"), "falls"],
      prevClose: [t("prevClose"), price("prev_closing_price"), ""],
      volume24h: [t("volume24h"), ticker ? rounded(ticker.acc_trade_volume_24h, Number(ticker.acc_trade_volume_24h) < 1e6 ? 3 : 0) : "–", ""],
      turnover24h: [t("turnover24h"), compact(ticker?.acc_trade_price_24h, current()), ""],
      range52w: [t("range52w"), ticker ? `${price("lowest_52_week_price")} – ${price("highest_52_week_price")}` : "–", ""],
    };
    for (const [fact, [label, text, colour]] of Object.entries(facts)) {
      const { term, value } = this.values.get(fact);
      put(term, label);
      put(value, text);
      paint(value, colour);
    }
    this.values.get("volume24h").value.title = ticker?.acc_trade_volume_24h ?? "";
    this.values.get("turnover24h").value.title = ticker?.acc_trade_price_24h ?? "";
  }

  #addFact() {
    const fact = { term: make("dt"), value: make("dd") };
    const pair = make("div");
    pair.append(fact.term, fact.value);
    this.facts.append(pair);
    return fact;
  }
}

/** 체결강도: what buyers took against what sellers took since 09:00 KST; 100 is even. */
function strengthOf(ticker) {
  const sold = Number(ticker?.acc_ask_volume ?? 0);
  return sold > 0 ? `${rounded((Number(ticker.acc_bid_volume) / sold) * 100, 1)}%` : "–";
}
