/** The page of a run: sorting and searching its songs, and their texts on demand. */

const byId = (id) => document.getElementById(id);

// The table of songs.

const table = byId("table");
const body = table.tBodies[0];
const rows = [...body.rows];
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const searched = new Map(rows.map((row) => [row, plain(row.dataset.text)]));
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.classList.contains("num") ? "" : cell.textContent.trim();
  return text === "" || text === "–" ? null : text;
}

function sortBy(header) {
  const column = header.cellIndex;
  const isNumber = rows.some((row) => typeof keyOf(row, column) === "number");
  const now = header.getAttribute("aria-sort");
  const down = now ? now === "ascending" : isNumber;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keys = new Map(rows.map((row) => [row, keyOf(row, column)]));
  rows.sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    // Unknown values come last in either order.
    if (x === null || y === null) return (x === null) - (y === null) || a.dataset.rank - b.dataset.rank;
    const order = isNumber ? x - y : collator.compare(x, y);
    return (down ? -order : order) || a.dataset.rank - b.dataset.rank;
  });
  body.append(...rows);
}

function narrow() {
  const words = plain(byId("search").value).split(/\s+/).filter(Boolean);
  const which = byId("which").value;
  let n = 0;
  for (const row of rows) {
    const tags = row.dataset.tags.split(" ");
    const fits = words.every((word) => searched.get(row).includes(word)) && (which === "all" || tags.includes(which));
    row.hidden = !fits;
    n += fits;
  }
  byId("count").textContent = n === rows.length ? counted(n, "song") : `${n} of ${counted(rows.length, "song")}`;
}

for (const header of table.tHead.rows[0].cells) header.querySelector("button")?.addEventListener("click", () => sortBy(header));
byId("search").addEventListener("input", narrow);
byId("which").addEventListener("change", narrow);
byId("controls").hidden = false;
narrow(); // after going back, browsers restore what was typed

// The text of a song.

const dialog = byId("song");
const GROUPS = [
  ["wrong", "snS"],
  ["missed", "d"],
  ["extra", "iI"],
  ["hallucinated", "SI"],
  ["near misses", "n"],
  ["wrong case", "c"],
];
let current = 0;
let filter = "all";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const kindsIn = (line) => line.filter(Array.isArray).map(([kind]) => kind).join("");

function words(line) {
  const made = [];
  for (const word of line) {
    if (made.length) made.push(" ");
    if (typeof word === "string") {
      made.push(word);
      continue;
    }
    const [kind, sung, heard] = word;
    const parts = [];
    if (sung) parts.push(element("del", {}, sung));
    if (heard) parts.push(element("ins", {}, heard));
    made.push(element("span", { class: `edit ${kind}`, title: content.kinds[kind] }, ...parts));
  }
  return made;
}

function alignedLine(song, index) {
  const line = song.text[index];
  const before = song.versus?.[index];
  const item = element("li", { dir: "auto" });
  if (!line.length && !before?.length) {
    item.className = "break";
  } else if (before && !same(line, before)) {
    for (const [name, text] of [[content.first, before], [content.second, line]]) {
      item.append(element("p", { class: "of-run" }, element("span", { class: "tag" }, name), element("span", {}, ...words(text))));
    }
  } else {
    item.append(...words(line));
  }
  const kinds = kindsIn(line) + (before ? kindsIn(before) : "");
  item.dataset.kinds = kinds;
  item.dataset.differs = Boolean(before && !same(line, before));
  return item;
}

function heardLine([start, text, ...flags]) {
  const item = element("li", { dir: "auto" });
  if (start !== null) item.append(element("span", { class: "time" }, clock(start)));
  item.append(text);
  for (const flag of flags) item.append(" ", element("span", { class: "tag flag", title: content.flags[flag] ?? "" }, flag));
  item.dataset.doubtful = flags.length > 0;
  if (!text) item.className = "break";
  return item;
}

const isShown = (item, name) => {
  if (name === "all") return true;
  if (name === "doubtful") return item.dataset.doubtful === "true";
  if (name === "different") return item.dataset.differs === "true";
  if (name === "errors") return /[^c]/.test(item.dataset.kinds);
  const kinds = GROUPS.find(([group]) => group === name)[1];
  return [...item.dataset.kinds].some((kind) => kinds.includes(kind));
};

function filtersOf(song) {
  if (!song.aligned) return [["all", "all lines", null], ["doubtful", "doubtful", song.text.filter((line) => line.length > 2).length]];
  const kinds = song.text.map(kindsIn).join("");
  const counted = GROUPS.map(([name, of]) => [name, name, [...kinds].filter((kind) => of.includes(kind)).length]);
  const errors = [...kinds].filter((kind) => kind !== "c").length;
  const differ = song.versus ? song.text.filter((line, index) => !same(line, song.versus[index])).length : null;
  return [["all", "all lines", null], ["errors", "errors", errors], ...counted, ...(song.versus ? [["different", "lines that differ", differ]] : [])];
}

function applyFilter(name) {
  filter = name;
  let n = 0;
  for (const item of byId("text").children) {
    item.hidden = !isShown(item, name);
    n += !item.hidden;
  }
  for (const chip of byId("filters").querySelectorAll("button")) chip.setAttribute("aria-pressed", chip.dataset.filter === name);
  byId("text").classList.toggle("empty", n === 0);
}

function openSong(index) {
  const song = content.songs[index];
  current = index;
  byId("song-title").textContent = song.title;
  const page = byId("song-page");
  page.hidden = !song.page;
  if (song.page) page.href = song.page;
  byId("text").replaceChildren(...(song.aligned ? song.text.map((_, line) => alignedLine(song, line)) : song.text.map(heardLine)));
  const filters = filtersOf(song);
  byId("filters").replaceChildren(
    ...filters.map(([name, told, n]) => {
      const chip = element("button", { type: "button", class: "chip" }, n === null ? told : `${told} ${n}`);
      chip.dataset.filter = name;
      chip.addEventListener("click", () => applyFilter(name));
      return chip;
    }),
  );
  byId("legend").replaceChildren(
    ...(song.aligned
      ? ["Missed: ", element("del", {}, "word"), ". Extra: ", element("ins", {}, "word"), ". Long hallucinated runs are framed."]
      : [song.text.length ? "The transcript; there is no reference." : "No words were recognised in this song."]),
  );
  applyFilter(filters.some(([name]) => name === filter) ? filter : "all");
  const visible = rows.filter((row) => !row.hidden).map((row) => Number(row.querySelector(".open").dataset.song));
  const at = visible.indexOf(index);
  byId("previous").disabled = at <= 0;
  byId("next").disabled = at < 0 || at === visible.length - 1;
  byId("previous").onclick = () => openSong(visible[at - 1]);
  byId("next").onclick = () => openSong(visible[at + 1]);
  if (!dialog.open) dialog.showModal();
  byId("text").scrollTop = 0;
  history.replaceState(null, "", `#song-${index}`);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-song]");
  if (opener) openSong(Number(opener.dataset.song));
  else if (event.target === dialog) dialog.close(); // a click outside of it
});
byId("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector(`.songs [data-song="${current}"]`)?.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (dialog.open) {
    const button = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (button) byId(button).click();
  } else if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
  }
});

const asked = /^#song-(\d+)$/.exec(location.hash);
if (asked && content.songs[asked[1]]) openSong(Number(asked[1]));
