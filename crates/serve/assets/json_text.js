// JSON as people read it: indented and coloured by kind. The text is only cut and spaced, no number is read: ids do not fit into a double.
import { make } from "./format.js";

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/g;
const INDENT = "  ";
/** An object or list without others inside stands on one line if it is not longer than this. */
const LINE_MAX = 96;

export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The text with line breaks, or as it is if it is no JSON. */
export const indent = (text) => (isJson(text) ? [...parts(text)].map(([, part]) => part).join("") : text);

/** The same as elements: keys, strings, numbers and words have a class of their own. */
export function render(text) {
  const block = make("pre", "json");
  if (!isJson(text)) {
    block.textContent = text;
    return block;
  }
  for (const [kind, part] of parts(text)) block.append(kind ? make("span", kind, part) : part);
  return block;
}

function* parts(text) {
  const tokens = text.match(TOKEN) ?? [];
  let depth = 0;
  let inline = 0;
  const line = () => (inline ? "" : `\n${INDENT.repeat(depth)}`);
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === "{" || token === "[") {
      const isFlat = depth > 0 && fitsOneLine(tokens, at);
      yield ["", token];
      if (isFlat || isCloser(tokens[at + 1])) inline += 1;
      else {
        depth += 1;
        yield ["", line()];
      }
    } else if (isCloser(token)) {
      if (inline) inline -= 1;
      else {
        depth -= 1;
        yield ["", line()];
      }
      yield ["", token];
    } else if (token === ",") {
      yield ["", inline ? ", " : `,${line()}`];
    } else if (token === ":") {
      yield ["", ": "];
    } else {
      yield [kindOf(token, tokens[at + 1]), token];
    }
  }
}

function fitsOneLine(tokens, from) {
  let length = 0;
  for (let at = from + 1; at < tokens.length && length <= LINE_MAX; at += 1) {
    if (isCloser(tokens[at])) return true;
    if (tokens[at] === "{" || tokens[at] === "[") return false;
    length += tokens[at].length + 1;
  }
  return false;
}

const isCloser = (token) => token === "}" || token === "]";
const kindOf = (token, next) => (token[0] === '"' ? (next === ":" ? "key" : "string") : /[-\d]/.test(token[0]) ? "number" : "word");
