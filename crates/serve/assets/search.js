// Whether a market is what somebody types: Korean name, initial consonants (초성), English name, code.

const INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const SYLLABLE_FIRST = 0xac00;
const SYLLABLE_LAST = 0xd7a3;
const SYLLABLES_PER_INITIAL = 588;

export function matches(entry, query) {
  const words = query.trim().toLowerCase();
  if (!words) return true;
  if (entry.market.toLowerCase().includes(words) || entry.english.toLowerCase().includes(words)) return true;
  return korean(entry.korean.toLowerCase().replace(/\s/g, ""), words.replace(/\s/g, ""));
}

/** A typed consonant stands for every syllable that begins with it: ㅂㅌ and 비ㅌ find 비트코인. */
function korean(name, words) {
  for (let start = 0; start + words.length <= name.length; start += 1) {
    let at = 0;
    while (at < words.length && same(name[start + at], words[at])) at += 1;
    if (at === words.length) return true;
  }
  return false;
}

function same(letter, typed) {
  return letter === typed || (INITIALS.includes(typed) && initialOf(letter) === typed);
}

function initialOf(letter) {
  const code = letter.charCodeAt(0);
  if (code < SYLLABLE_FIRST || code > SYLLABLE_LAST) return "";
  return INITIALS[Math.floor((code - SYLLABLE_FIRST) / SYLLABLES_PER_INITIAL)];
}
