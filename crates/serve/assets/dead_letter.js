// A dead letter in plain words: why nobody could read the message, who found it, where it came from.
import { group, make } from "./format.js";
import { current, t } from "./language.js";

/** Header names that the pipeline writes. */
const REASON = "error.reason";
const STAGE = "error.stage";
const SOURCE = { topic: "source.topic", partition: "source.partition", offset: "source.offset" };

/** What the pipeline's own sentences say in Korean; a sentence inside another is looked up again, an unknown one stays as it is. */
const KOREAN = [
  [/^element (\d+) of the list: (.*)$/s, (n, rest) => `목록의 ${n}번째 요소: ${inKorean(rest)}`],
  [/^field "(.+?)": (.*)$/s, (name, rest) => `"${name}" 필드: ${inKorean(rest)}`],
  [/^field "(.+)" is NULL or missing, but its column is NOT NULL$/, (name) => `"${name}" 필드가 비어 있거나 없는데, 컬럼은 NOT NULL입니다`],
  [/^"type" is missing, and the fields are not those of one ticker, trade or orderbook$/, () => `"type"이 없고, 필드만으로는 현재가·체결·호가 가운데 무엇인지 알 수 없습니다`],
  [/^"(.+)" is missing$/, (name) => `"${name}" 값이 없습니다`],
  [/^"(.+)" has two values$/, (name) => `"${name}" 값이 두 개입니다`],
  [/^"(.+)" is not a string: (.*)$/s, (name, found) => `"${name}" 값이 문자열이 아닙니다: ${found}`],
  [/^no topic for type "(.*)"$/, (type) => `"${type}" 유형을 담을 토픽이 없습니다`],
  [/^invalid JSON at byte (\d+): (.*)$/s, (byte, rest) => `${byte}번째 바이트에서 JSON이 잘못되었습니다: ${rest}`],
  [/^(\w+): (.+)$/s, (name, rest) => `${name}: ${inKorean(rest)}`],
  [/^(.+) is not a number$/s, (found) => `${found}은(는) 숫자가 아닙니다`],
  [/^(.+) is negative$/, (found) => `${found}은(는) 음수입니다`],
  [/^(.+) is not a whole number that fits BIGINT$/, (found) => `${found}은(는) BIGINT에 들어가는 정수가 아닙니다`],
  [/^expected (.+), found (.+)$/, (expected, found) => `${expected}이어야 하는데 ${found}입니다`],
  [/^not an object but (.+)$/, (found) => `객체가 아니라 ${found}입니다`],
  [/^the list is empty$/, () => "목록이 비어 있습니다"],
];

const inKorean = (reason) => {
  for (const [pattern, say] of KOREAN) {
    const found = pattern.exec(reason);
    if (found) return say(...found.slice(1));
  }
  return reason;
};

/** Reason, stage and source of a message, or null if it is not a dead letter. */
export function deadLetterOf(message) {
  const header = (name) => message.headers.find((header) => header.name === name)?.value.text;
  const reason = header(REASON);
  if (reason === undefined) return null;
  const [topic, partition, offset] = [header(SOURCE.topic), header(SOURCE.partition), header(SOURCE.offset)];
  const source = topic === undefined ? null : { topic, partition: Number(partition), offset: Number(offset) };
  return { reason, stage: header(STAGE) ?? "", source };
}

export const reasonOf = (letter) => (current() === "ko" ? inKorean(letter.reason) : letter.reason);

/** The letter as a box; `onSource` is called with the place it came from. */
export function renderLetter(letter, onSource) {
  const box = make("div", "letter");
  const facts = make("dl");
  const fact = (word, content) => {
    const pair = make("div");
    const value = make("dd");
    value.append(content);
    pair.append(make("dt", "", t(word)), value);
    facts.append(pair);
  };
  fact("letterReason", reasonOf(letter));
  const job = letter.stage.startsWith("job ") ? letter.stage.slice(4) : null;
  fact("letterStage", job ? `${t("letterJob")} ${job}` : letter.stage === "collect" ? t("letterCollector") : letter.stage);
  if (letter.source) {
    const { topic, partition, offset } = letter.source;
    const place = Object.assign(make("button", "place", `${topic} · ${t("partition")} ${partition} · ${t("offset")} ${group(String(offset))}`), { type: "button" });
    place.addEventListener("click", () => onSource(letter.source));
    fact("letterSource", place);
  } else {
    fact("letterSource", t("letterExchange"));
  }
  box.append(make("b", "", t("letterTitle")), facts);
  return box;
}
