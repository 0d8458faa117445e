/** Edits of lines: each function returns new lines and leaves its arguments unchanged. */

const SHORTEST = 0.02; // shortest duration of a dragged word or line, in seconds
const NEW_LINE = 2; // duration of an inserted line, in seconds
const REACTION = 0.5; // seconds by which a key may miss the edge of a line

const clamp = (time, low, high) => Math.min(Math.max(time, low), Math.max(low, high));
const rounded = (time) => Math.round(time * 1000) / 1000;
const wordsIn = (text) => text.split(/\s+/).filter(Boolean);

/** Return the timed words of a line, one per word of the text; none if they do not match it. */
function wordsOf(line) {
  const parts = partsOf(line);
  if (!parts.every((part) => part.words.length)) return [];
  return parts.map(({ text, words }) => {
    const [first, last] = [line.words[words[0]], line.words[words.at(-1)]];
    return { ...first, end: last.end, text };
  });
}

/** Return a line with another text; words that stay keep their times, the others share the time between. */
function withText(line, text) {
  const tidy = wordsIn(text).join(" ");
  if (tidy === line.text) return line;
  return { ...line, text: tidy, words: line.words.length ? retimed(line, wordsIn(tidy)) : [] };
}

function retimed(line, texts) {
  const whole = wordsOf(line);
  const old = whole.length ? whole : line.words.map((word) => ({ ...word })); // inexact times are better than none
  const words = [];
  let [from, to] = [0, 0];
  for (const [kept, place] of [...common(old.map((word) => word.text), texts), [old.length, texts.length]]) {
    const fresh = texts.slice(to, place);
    if (fresh.length) words.push(...spreadOver(old.slice(from, kept), fresh, words.at(-1), old[kept], line));
    if (kept < old.length) words.push(old[kept]);
    [from, to] = [kept + 1, place + 1];
  }
  return words;
}

/** Pair equal words of two lists, as many as there can be in order. */
function common(a, b) {
  const best = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i][j] = a[i] === b[j] ? 1 + best[i + 1][j + 1] : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const pairs = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (best[i + 1][j] >= best[i][j + 1]) i++;
    else j++;
  }
  return pairs;
}

function spreadOver(replaced, texts, before, after, line) {
  if (replaced.length === texts.length) {
    return replaced.map((word, index) => ({ ...word, text: texts[index], probability: 1 }));
  }
  let start = replaced.length ? replaced[0].start : (before?.end ?? line.start);
  const end = replaced.length ? replaced.at(-1).end : (after?.start ?? line.end);
  if (end - start < SHORTEST * texts.length && before) {
    // No room between the neighbours: the one before gives half of its own.
    start = before.end = rounded((before.start + before.end) / 2);
  }
  const last = Math.max(start, end);
  const whole = texts.join("").length;
  let done = 0;
  let next = start;
  return texts.map((text, index) => {
    const own = next;
    done += text.length;
    next = index === texts.length - 1 ? last : rounded(start + ((last - start) * done) / whole);
    return { start: own, end: next, text, probability: 1 };
  });
}

/** Split a line before its word `n`; null where nothing would be left on a side. */
function splitLine(line, n) {
  const texts = wordsIn(line.text);
  if (n <= 0 || n >= texts.length) return null;
  const words = wordsOf(line);
  const share = texts.slice(0, n).join(" ").length / line.text.length;
  const between = rounded(line.start + share * (line.end - line.start));
  const [left, right] = [words.slice(0, n), words.slice(n)];
  return [
    { ...line, end: left.at(-1)?.end ?? between, text: texts.slice(0, n).join(" "), words: left },
    { ...line, start: right[0]?.start ?? between, text: texts.slice(n).join(" "), words: right },
  ];
}

/** Return the word before which to split a line at a position in its text. */
function wordAtPlace(text, place) {
  return wordsIn(text.slice(0, place)).length;
}

/** Return the word before which to split a line at a time. */
function wordAtTime(line, time) {
  const words = wordsOf(line);
  if (words.length) return words.filter((word) => (word.start + word.end) / 2 < time).length;
  return Math.round((wordsIn(line.text).length * (time - line.start)) / Math.max(line.end - line.start, SHORTEST));
}

function mergeLines(first, second) {
  const timed = first.words.length && second.words.length;
  return {
    ...first,
    end: Math.max(first.end, second.end),
    text: `${first.text} ${second.text}`.trim(),
    words: timed ? [...first.words, ...second.words] : [],
    flags: [...new Set([...first.flags, ...second.flags])],
  };
}

/** Return a new line for the playback position: there if it lies after the start of `line`, else behind `line`. */
function lineAt(position, line, next, duration) {
  const isBehind = position > (line ? line.start : 0) && position < (next ? next.start : duration);
  const start = Math.min(rounded(isBehind ? position : line ? line.end : 0), duration);
  const end = Math.max(start, Math.min(next ? next.start : duration, start + NEW_LINE));
  return { start, end: end > start ? end : Math.min(start + NEW_LINE, duration), text: "", words: [], flags: [] };
}

/** Move the start or the end of a line (word null) or of one of its words, within its limits. */
function withEdge(line, word, edge, time, duration) {
  const at = rounded(clamp(time, 0, duration));
  if (word === null) return withLineEdge(line, edge, at);
  const words = line.words.map((one) => ({ ...one }));
  const [before, own, after] = [words[word - 1], words[word], words[word + 1]];
  if (edge === "start") {
    const touches = before && Math.abs(before.end - own.start) < 0.001;
    own.start = clamp(at, touches ? before.start + SHORTEST : (before?.end ?? 0), own.end - SHORTEST);
    if (touches) before.end = own.start;
  } else {
    const touches = after && Math.abs(after.start - own.end) < 0.001;
    own.end = clamp(at, own.start + SHORTEST, touches ? after.end - SHORTEST : (after?.start ?? duration));
    if (touches) after.start = own.end;
  }
  return { ...line, start: Math.min(line.start, words[0].start), end: Math.max(line.end, words.at(-1).end), words };
}

/** Move an edge of a line; the word at that edge goes along, and all words stay inside. */
function withLineEdge(line, edge, at) {
  const moved = { ...line };
  moved[edge] = edge === "start" ? Math.max(0, Math.min(at, line.end - SHORTEST)) : Math.max(at, line.start + SHORTEST);
  const fit = (time) => clamp(time === line[edge] ? moved[edge] : time, moved.start, moved.end);
  return { ...moved, words: line.words.map((word) => ({ ...word, start: fit(word.start), end: fit(word.end) })) };
}

/** Move a line with its words. */
function movedBy(line, seconds, duration) {
  const by = clamp(seconds, -line.start, Math.max(-line.start, duration - line.end));
  const moved = ({ start, end, ...rest }) => ({ ...rest, start: rounded(start + by), end: rounded(end + by) });
  return { ...moved(line), words: line.words.map(moved) };
}

/** Let a line start or end at a time; one that would be turned around is moved as a whole. */
function withEdgeNow(line, edge, time, duration) {
  const isBeyond = edge === "start" ? time > line.end - SHORTEST : time < line.start + SHORTEST;
  return isBeyond ? movedBy(line, time - line[edge], duration) : withEdge(line, null, edge, time, duration);
}

/**
 * Return the line whose edge is meant at a time: the one that is sung, between lines the one that follows (start) or
 * precedes (end). Within `REACTION` of a neighbour's edge it is the neighbour's.
 */
function lineMeant(lines, edge, time) {
  const at = lastStarted(lines, time);
  if (edge === "start") {
    const next = lines[at + 1];
    const isNext = at < 0 || time > lines[at].end || (next && next.start - time < REACTION);
    return (isNext ? next : lines[at]) ?? null;
  }
  const isLast = at > 0 && time - lines[at].start < REACTION && lines[at - 1].end > lines[at].start - REACTION;
  return lines[isLast ? at - 1 : at] ?? null;
}

/**
 * Let the line of a row start at a time. It moves with its words; lines before it end by then, and those behind it
 * that would start earlier move to its start.
 */
function tappedLine(rows, index, time, duration) {
  const to = (line, start) => movedBy(line, start - line.start, duration);
  return rows.map((row, at) => {
    if (!row.line) return row;
    let { line } = row;
    if (at === index) line = to(line, time);
    else if (at < index && line.end > time) line = withLineEdge(line, "end", Math.max(time, line.start + SHORTEST));
    else if (at > index && line.start < time) line = to(line, time);
    return line === row.line ? row : { ...row, line, start: line.start };
  });
}

/** Let a word of a line start at a time; those before it end by then, and those behind it keep their order. */
function tappedWord(line, index, time, duration) {
  const texts = wordsIn(line.text);
  const known = wordsOf(line);
  const words = (known.length ? known : spreadOver([], texts, undefined, undefined, line)).map((word) => ({ ...word }));
  if (index > 0) {
    const [before, own] = [words[index - 1], words[index]];
    const touches = Math.abs(before.end - own.start) < 0.001;
    own.start = rounded(clamp(time, before.start + SHORTEST, duration));
    before.end = touches ? own.start : Math.min(before.end, own.start);
  }
  let last = words[index].start;
  for (const word of words.slice(index)) {
    word.start = Math.max(word.start, last);
    word.end = rounded(Math.max(word.end, word.start + SHORTEST));
    last = word.start + SHORTEST;
  }
  return { ...line, start: Math.min(line.start, words[0].start), end: Math.max(line.end, words.at(-1).end), words };
}

/** Move all lines from a row on; those before it stay. */
function shifted(rows, from, seconds, duration) {
  return rows.map((row, at) => {
    if (!row.line || at < from) return row;
    const line = movedBy(row.line, seconds, duration);
    return { ...row, line, start: line.start };
  });
}

/** Replace a text in all lines; returns the rows and how often it was found. */
function withReplaced(rows, text, by, exact) {
  const pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), exact ? "gu" : "giu");
  let n = 0;
  const changed = rows.map((row) => {
    const found = row.line?.text.match(pattern)?.length ?? 0;
    if (!found) return row;
    n += found;
    return { ...row, line: withText(row.line, row.line.text.replace(pattern, () => by)), words: null };
  });
  return { rows: changed.filter((row) => row.line?.text !== ""), n };
}

/** Return the sung spans of lines; those that touch are joined. */
function sungSpans(lines) {
  const spans = [];
  for (const { start, end } of lines) {
    if (spans.length && start <= spans.at(-1).end) spans.at(-1).end = Math.max(spans.at(-1).end, end);
    else spans.push({ start, end });
  }
  return spans;
}
