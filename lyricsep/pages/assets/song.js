/** The page of a song: connects its parts. */

const byId = (id) => document.getElementById(id);

const player = new Player(content.audio, content.duration);
const lyrics = new Lyrics(byId("lyrics"), content, player);
const wave = new Wave(byId("wave"), byId("overview"), player, content);

const page = { content, player, lyrics, wave, shortcuts: new Map() };

fillHead(content);
fillNotes(content);
fillScores(content);
fillDoubts(content, (time) => player.seek(time));
fillEvidence(content, (time) => player.seek(time));
fillManifest(content);

/* The player */

const SOURCES = { mixture: "Song", vocals: "Vocals" };
const playButton = byId("play");
const sourceButtons = Object.entries(SOURCES).map(([name, text]) => {
  const button = element("button", { type: "button", "data-source": name }, text);
  button.addEventListener("click", () => player.choose(name));
  return button;
});
byId("switch").append(...sourceButtons);
byId("duration").textContent = clock(content.duration);

function showState() {
  playButton.setAttribute("aria-label", player.playing ? "Pause" : "Play");
  playButton.classList.toggle("playing", player.playing);
  for (const button of sourceButtons) {
    button.disabled = !player.names.includes(button.dataset.source);
    button.setAttribute("aria-pressed", String(button.dataset.source === player.heard));
  }
  document.body.classList.toggle("silent", !player.sound);
  if (player.playing) requestAnimationFrame(run);
  else showPosition();
}

function showPosition() {
  const time = player.position;
  byId("position").textContent = clock(time);
  wave.move(time);
  lyrics.follow(time);
}

let running = false;
function run() {
  if (running) return;
  running = true;
  const frame = () => {
    showPosition();
    player.tell("time");
    running = player.playing;
    if (running) requestAnimationFrame(frame);
  };
  frame();
}

player.addEventListener("state", showState);
player.addEventListener("seek", showPosition);
player.addEventListener("fail", ({ detail }) => {
  const note =
    `Cannot play the ${detail === "vocals" ? "vocals" : "song"}: ` +
    "the file is missing, or the browser does not support its format.";
  byId("notes").append(element("p", {}, note));
  byId("notes").hidden = false;
});
playButton.addEventListener("click", () => player.toggle());
byId("speed").addEventListener("change", ({ target }) => player.setSpeed(Number(target.value)));
byId("volume").addEventListener("input", ({ target }) => player.setVolume(Number(target.value)));
byId("zoom-in").addEventListener("click", () => wave.zoom(2));
byId("zoom-out").addEventListener("click", () => wave.zoom(0.5));
byId("follow").addEventListener("click", () => follow(!lyrics.following));
addEventListener("resize", () => wave.refresh());

function follow(wanted) {
  lyrics.following = wanted;
  byId("follow").setAttribute("aria-pressed", String(wanted));
  if (wanted) lyrics.scroll(lyrics.items[lyrics.current], true);
}

/* Lines on the waveform, and the filters */

const FILTERS = [
  ["all", "All"],
  ["substitution", MARKS.substitution],
  ["deletion", MARKS.deletion],
  ["insertion", MARKS.insertion],
  ["hallucinated", MARKS.hallucinated],
  ["flagged", "doubtful"],
];
const chips = FILTERS.map(([name, text]) => {
  const chip = element(
    "button",
    { type: "button", class: `chip ${name}`, "data-filter": name },
    element("span", { class: "sample" }, text),
    element("span", { class: "count" }),
  );
  chip.addEventListener("click", () => lyrics.setFilter(name));
  return chip;
});
byId("filters").append(...chips);

/** Count the words that a filter selects, or the lines. */
function amount(name) {
  if (name === "all" || name === "flagged") return lyrics.rows.filter((row) => passes(row, name)).length;
  const fits = name === "hallucinated" ? (word) => word.hallucinated : (word) => word.kind === name;
  return lyrics.rows.reduce((sum, row) => sum + (row.words || []).filter(fits).length, 0);
}

function showChips() {
  for (const chip of chips) {
    const n = amount(chip.dataset.filter);
    chip.querySelector(".count").textContent = n;
    chip.hidden = chip.dataset.filter !== "all" && !content.reference && (n === 0 || chip.dataset.filter !== "flagged");
    chip.disabled = n === 0 && chip.dataset.filter !== "all";
    chip.setAttribute("aria-pressed", String(chip.dataset.filter === lyrics.filter));
  }
  byId("toolbar").hidden = chips.filter((chip) => !chip.hidden).length < 2;
  byId("nothing").hidden = lyrics.items.some((item) => !item.hidden);
  byId("nothing").textContent = lyrics.rows.length ? "No matching lines." : "";
  const n = lyrics.spots().length;
  byId("spot").textContent = n === 1 ? "1 issue" : n ? `${n} issues` : "no issues";
  for (const name of ["next-error", "previous-error"]) byId(name).disabled = n === 0;
}

function showLines() {
  wave.show(
    lyrics.sung.map(({ row }) => ({ ...row.line, wrong: isWrong(row), flagged: row.line.flags.length > 0 })),
  );
  wave.mark(lyrics.sung.findIndex(({ index }) => index === lyrics.current));
  showChips();
}

lyrics.addEventListener("show", showLines);
lyrics.addEventListener("filter", showChips);
lyrics.addEventListener("line", ({ detail }) => wave.mark(detail));
lyrics.addEventListener("spot", ({ detail }) => (byId("spot").textContent = `${detail.at + 1} of ${detail.n}`));
byId("next-error").addEventListener("click", () => lyrics.stepError(1));
byId("previous-error").addEventListener("click", () => lyrics.stepError(-1));
showLines();
showState();

/* Keys */

const SHORTCUTS = [
  [" ", "Space", "play or pause", () => player.toggle()],
  ["ArrowLeft", "←", "5 seconds back (with Shift 1)", (event) => player.seek(player.position - (event.shiftKey ? 1 : 5))],
  ["ArrowRight", "→", "5 seconds forward (with Shift 1)", (event) => player.seek(player.position + (event.shiftKey ? 1 : 5))],
  ["j", "J", "next line", () => lyrics.step(1)],
  ["k", "K", "previous line", () => lyrics.step(-1)],
  ["n", "N", "next issue", () => lyrics.stepError(1)],
  ["p", "P", "previous issue", () => lyrics.stepError(-1)],
  ["v", "V", "song or vocals", () => player.choose(player.names.find((name) => name !== player.heard))],
  ["f", "F", "scroll with the song on or off", () => follow(!lyrics.following)],
  ["+", "+", "zoom in", () => wave.zoom(2)],
  ["-", "−", "zoom out", () => wave.zoom(0.5)],
  ["?", "?", "this help", () => byId("help").showModal()],
];

function addShortcut(key, shown, text, act) {
  page.shortcuts.set(key, act);
  byId("keys").append(element("dt", {}, element("kbd", {}, shown)), element("dd", {}, text));
}

for (const shortcut of SHORTCUTS) addShortcut(...shortcut);

document.addEventListener("keydown", (event) => {
  const within = event.composedPath()[0];
  const typing = within.closest?.("input:not([type=range]), textarea, select, [contenteditable]");
  const held = within.closest?.("[role=slider], input[type=range]") && event.key.startsWith("Arrow");
  const presses = event.key === " " && within.closest?.("button, summary, a");
  if (event.ctrlKey || event.metaKey || event.altKey || typing || held || presses || document.querySelector("dialog[open]")) return;
  const act = page.shortcuts.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (!act) return;
  event.preventDefault();
  act(event);
});

// After a click the keys control the song again, not the button.
document.addEventListener("click", (event) => event.detail > 0 && event.target.closest("button")?.blur());
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("help").addEventListener("click", (event) => event.target === byId("help") && byId("help").close());
