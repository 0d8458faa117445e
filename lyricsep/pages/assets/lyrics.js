/**
 * The lyrics, row by row, in step with the song, with their differences from the reference.
 *
 * A row is {line, words, start}: `line` as in the document, null for a line without times, or one of the reference
 * that was missed; `words` aligns the transcript with the reference, or with what was heard, null without either.
 */

const showsChanges = content.reference?.is_machine;
const MARKS = showsChanges
  ? { substitution: "changed", deletion: "removed", insertion: "added", hallucinated: "hallucinated" }
  : { substitution: "wrong", deletion: "missed", insertion: "extra", hallucinated: "hallucinated" };

const UNSURE = 0.5; // probability; two of three words below it are wrong (`data/results/doubt.md`)
const PAUSE = 3; // seconds without a line between two sections
const REST = 4000; // milliseconds without automatic scrolling after the reader scrolled

function rowsOf(content) {
  if (!content.reference) {
    return [...content.untimed, ...content.lines.map((line) => ({ line, words: null, start: line.start }))];
  }
  return content.reference.rows.map((row) => ({
    line: row.line === null ? null : content.lines[row.line],
    words: row.words,
    start: row.start,
  }));
}

/** Return whether a row passes a filter. */
function passes(row, filter) {
  if (filter === "all") return true;
  if (filter === "flagged") return row.line !== null && row.line.flags.length > 0;
  if (filter === "hallucinated") return (row.words || []).some((word) => word.hallucinated);
  return (row.words || []).some((word) => word.kind === filter);
}

function isWrong(row) {
  return (row.words || []).some((word) => word.kind !== "hit");
}

class Lyrics extends EventTarget {
  constructor(list, content, player) {
    super();
    this.list = list;
    this.content = content;
    this.player = player;
    this.filter = "all";
    this.following = true;
    this.touched = -REST;
    this.spot = null;
    for (const kind of ["wheel", "touchmove"]) {
      addEventListener(kind, () => (this.touched = performance.now()), { passive: true });
    }
    list.addEventListener("click", (event) => this.click(event));
    this.show(rowsOf(content));
  }

  show(rows) {
    this.rows = rows;
    this.current = this.word = null;
    let before = null;
    this.items = rows.map((row, index) => {
      const item = this.item(row, index, before);
      before = row.line || before;
      return item;
    });
    this.list.replaceChildren(...this.items);
    this.sung = rows
      .map((row, index) => ({ row, index, start: row.line?.start }))
      .filter(({ row }) => row.line !== null)
      .sort((a, b) => a.start - b.start);
    this.setFilter(this.filter);
    this.follow(this.player.position);
    this.dispatchEvent(new Event("show"));
  }

  item(row, index, before) {
    const pause = row.line && before && row.line.start - before.end > PAUSE;
    const kind = `line${row.line ? "" : " missing"}${pause ? " after-pause" : ""}`;
    const flags = row.line?.flags || [];
    const time =
      row.start === null || row.start === undefined
        ? element("span", { class: "time" })
        : element("button", { class: "time", type: "button", "aria-label": `Go to ${clock(row.start)}` }, clock(row.start));
    return element(
      "li",
      { class: flags.length ? kind + " flagged" : kind, "data-index": index },
      time,
      element(
        "div",
        { class: "body" },
        element("p", { class: "text", dir: "auto", lang: this.content.language }, ...this.texts(row)),
        flags.length > 0 && this.flags(flags),
      ),
    );
  }

  flags(flags) {
    const texts = flags.map((flag) => this.content.flags[flag] || flag);
    return element("p", { class: "flags" }, element("span", { class: "badge" }, "doubtful"), ` ${texts.join("; ")}`);
  }

  texts(row) {
    if (row.words?.length) return row.words.flatMap((word) => this.marked(word));
    return partsOf(row.line).flatMap(({ text, words }) => {
      const kind = (word) => (row.line.words[word].probability < UNSURE ? "word unsure" : "word");
      const timed = words.map((word) => element("span", { class: kind(word), "data-word": word }, row.line.words[word].text));
      return [...(timed.length ? timed : [element("span", { class: "word" }, text)]), " "];
    });
  }

  marked({ kind, heard, sung, word, hallucinated, near }) {
    const text = (heard ?? sung).trimEnd();
    const space = /\s$/.test(heard ?? sung) || kind !== "hit" ? " " : "";
    if (kind === "hit") return [element("span", { class: "word", "data-word": word }, text), space];
    const name = hallucinated ? "hallucinated" : kind;
    const hidden = (before) => element("span", { class: "unseen" }, before);
    const attributes = { class: `word error ${kind}${hallucinated ? " hallucinated" : ""}`, "data-word": word, title: MARKS[name] };
    if (kind === "deletion") return [element("del", attributes, hidden(`[${MARKS.deletion}: `), text, hidden("]")), " "];
    if (kind === "insertion") return [element("ins", attributes, hidden(`[${MARKS.insertion}: `), text, hidden("]")), " "];
    attributes.title = near && !showsChanges ? "near miss" : attributes.title;
    const ruby = element("ruby", {}, text, element("rt", { "aria-hidden": "true" }, sung.trim()));
    return [element("span", attributes, ruby, hidden(` [${showsChanges ? "heard" : "reference"}: ${sung.trim()}]`)), " "];
  }

  click(event) {
    const item = event.target.closest(".line");
    const row = item && this.rows[item.dataset.index];
    if (!row || event.target.closest("input") || row.start === null || row.start === undefined) return;
    const word = event.target.closest("[data-word]");
    const timed = word && row.line?.words[word.dataset.word];
    if (word || event.target.closest(".time")) this.player.seek(timed ? timed.start : row.line ? row.line.start : row.start);
  }

  setFilter(filter) {
    this.filter = filter;
    this.list.dataset.filter = filter;
    this.spot = null;
    this.rows.forEach((row, index) => (this.items[index].hidden = !passes(row, filter)));
    this.dispatchEvent(new Event("filter"));
  }

  /** Highlight the line and the word at a time. */
  follow(time) {
    const at = lastStarted(this.sung, time);
    const found = this.sung[at];
    const over = found && time > found.row.line.end + PAUSE;
    const current = found && !over ? found.index : null;
    if (current !== this.current) {
      this.items[this.current]?.classList.remove("current");
      this.items[this.current]?.removeAttribute("aria-current");
      this.items[this.current]?.querySelectorAll(".word.current").forEach((word) => word.classList.remove("current"));
      this.items[current]?.classList.add("current");
      this.items[current]?.setAttribute("aria-current", "true");
      this.current = current;
      this.word = null;
      this.dispatchEvent(new CustomEvent("line", { detail: current === null ? null : at }));
      if (this.player.playing) this.scroll(this.items[current]);
    }
    const words = current === null ? [] : this.rows[current].line.words;
    const word = current === null || time > found.row.line.end ? null : lastStarted(words, time);
    if (word === this.word) return;
    this.word = word;
    for (const span of this.items[current]?.querySelectorAll("[data-word]") || []) {
      span.classList.toggle("current", Number(span.dataset.word) === word);
    }
  }

  scroll(item, force = false) {
    const busy = performance.now() - this.touched < REST || this.list.contains(document.activeElement?.closest("input"));
    if (!item || item.hidden || (!force && (!this.following || busy))) return;
    const { top, height } = item.getBoundingClientRect();
    const head = document.getElementById("player").getBoundingClientRect().bottom;
    const middle = head + (innerHeight - head) * 0.38;
    scrollBy({ top: top + height / 2 - middle, behavior: calm.matches ? "instant" : "smooth" });
  }

  /** Go to the next line, or with -1 to the previous one. */
  step(direction) {
    const at = lastStarted(this.sung, this.player.position + 0.01);
    const shown = (index) => this.sung[index] && this.items[this.sung[index].index].hidden;
    let next = at + direction;
    while (shown(next)) next += direction;
    const found = this.sung[next];
    if (!found) return;
    this.player.seek(found.row.line.start);
    this.scroll(this.items[found.index], true);
  }

  /** Return the issues that the filter shows: runs of wrong words, else doubtful lines. */
  spots() {
    const spots = [];
    const fits = { all: ".error", hallucinated: ".error.hallucinated", flagged: null }[this.filter];
    this.items.forEach((item, index) => {
      if (item.hidden) return;
      const selector = fits === undefined ? `.error.${this.filter}` : fits;
      const words = selector ? [...item.querySelectorAll(selector)] : [];
      const runs = [];
      for (const word of words) {
        const last = runs.at(-1);
        if (last && last.at(-1).nextElementSibling === word) last.push(word);
        else runs.push([word]);
      }
      if (runs.length) spots.push(...runs.map((run) => ({ index, run })));
      else if (item.classList.contains("flagged") && (!this.content.reference || this.filter === "flagged")) {
        spots.push({ index, run: [item] });
      }
    });
    return spots;
  }

  /** Go to the next issue, or with -1 to the previous one. */
  stepError(direction) {
    const spots = this.spots();
    if (!spots.length) return;
    const same = spots.findIndex((spot) => this.spot && spot.run[0] === this.spot.run[0]);
    let next = same + direction;
    if (same < 0) {
      const position = this.player.position;
      const later = spots.findIndex((spot) => this.timeOf(spot) >= position);
      next = direction > 0 ? (later < 0 ? 0 : later) : (later < 0 ? spots.length : later) - 1;
    }
    this.spot = spots[(next + spots.length) % spots.length];
    this.list.querySelectorAll(".spot").forEach((word) => word.classList.remove("spot"));
    this.spot.run.forEach((word) => word.classList.add("spot"));
    const time = this.timeOf(this.spot);
    if (time !== null) this.player.seek(Math.max(0, time));
    this.scroll(this.items[this.spot.index], true);
    this.dispatchEvent(new CustomEvent("spot", { detail: { at: spots.indexOf(this.spot), n: spots.length } }));
  }

  timeOf({ index, run }) {
    const { line, start } = this.rows[index];
    if (!line) return start;
    const timed = run.map((word) => line.words[word.dataset.word]).find(Boolean);
    return timed ? timed.start : line.start;
  }
}
