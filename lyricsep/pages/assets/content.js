/** The content of the page, as Python wrote it, and functions to show it. */

const content = JSON.parse(document.getElementById("content").textContent);

/** Make an element; attributes that are false or null are left out, texts are never read as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Write seconds as 1:02:03, with decimals on request. */
function clock(seconds, digits = 0) {
  const ticks = Math[digits ? "round" : "floor"](Math.max(0, seconds) * 10 ** digits);
  const whole = Math.floor(ticks / 10 ** digits);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = digits ? "." + String(ticks % 10 ** digits).padStart(digits, "0") : "";
  const head = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : String(minutes);
  return `${head}:${String(rest).padStart(2, "0")}${tail}`;
}

function percent(rate) {
  return rate === null || rate === undefined ? "–" : `${(100 * rate).toFixed(1)} %`;
}

/** Count things: "1 line", "2 lines". */
function counted(n, thing) {
  return `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

const CLOSE = 0.001; // seconds; browsers round positions

/** Return the index of the last item that starts at or before a time; -1 if there is none. */
function lastStarted(things, time) {
  let [low, high] = [0, things.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (things[middle].start <= time + CLOSE) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * Return the words of a line as split at spaces, each with the indices of its timed words: "c'est" may be two.
 * If the timed words do not match the text, none has any.
 */
function partsOf({ text, words }) {
  const parts = text.split(/\s+/).filter(Boolean).map((part) => ({ text: part, words: [] }));
  let next = 0;
  for (const part of parts) {
    for (let own = ""; own.length < part.text.length && next < words.length; next++) {
      own += words[next].text;
      if (!part.text.startsWith(own)) return parts.map((one) => ({ ...one, words: [] }));
      part.words.push(next);
    }
  }
  const known = next === words.length && parts.every((part) => part.words.length);
  return known ? parts : parts.map((part) => ({ ...part, words: [] }));
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
