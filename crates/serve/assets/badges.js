// What the exchange says of a market beside its prices: warnings, cautions, and that it has come onto the list lately.
import { current, t } from "./language.js";
import { make } from "./format.js";

/** How long a market is new. */
const NEW_MS = 7 * 86_400_000;
const DATE = { timeZone: "Asia/Seoul", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** The gravest first: kind, word, and what it means. */
export function badgesOf({ warning, cautions, listedAt }, now = Date.now()) {
  const badges = [];
  if (warning) badges.push(["warned", t("warning"), t("warningLong")]);
  if (cautions.length) badges.push(["caution", t("caution"), cautions.map(cautionName).join(", ")]);
  if (listedAt !== null && now - listedAt < NEW_MS) {
    badges.push(["new", t("new"), `${t("listedAt")} ${new Date(listedAt).toLocaleString(current(), DATE)}`]);
  }
  return badges;
}

/** Puts them into `element`; cheap if nothing has changed. */
export function showBadges(element, entry) {
  const badges = entry ? badgesOf(entry) : [];
  const shown = badges.join();
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  element.replaceChildren(
    ...badges.map(([kind, word, title]) => Object.assign(make("i", `mark ${kind}`, word), { title })),
  );
}

/** Upbit may add kinds of cautions: those are shown by its own name. */
function cautionName(caution) {
  const key = `caution_${caution}`;
  const word = t(key);
  return word === key ? caution : word;
}
