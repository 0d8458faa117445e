/** Editing of lyrics: words, times and lines; every change can be undone until the page is closed. */

const CLOSE_UP = 160; // pixels a second at which words can be dragged
const CONTROL_KEYS = { "Ctrl+S": "save", "Ctrl+Z": "undo", "Ctrl+Y": "redo", "Shift+Enter": "split at the cursor" };
const STALE = 409; // HTTP status: another page has saved
const NUDGES = { ArrowLeft: -0.01, ArrowRight: 0.01 };

const EDIT_STYLE = `
  .edits { height: 2.1rem; margin-top: 3px; }
  .held { position: absolute; top: 0; bottom: 0; background: var(--accent-soft); border: 1px solid var(--accent); color: var(--ink);
    font: 0.78rem/1.95rem var(--letters); text-align: center; white-space: nowrap; overflow: hidden; box-sizing: border-box; border-radius: 4px; }
  .handle { position: absolute; top: 0; bottom: 0; width: 12px; margin-left: -6px; cursor: ew-resize; touch-action: none; z-index: 7; }
  .handle::before { content: ""; position: absolute; left: 5px; top: 15%; bottom: 15%; width: 2px; background: var(--accent); border-radius: 2px; }
  .handle.of-line::before { top: 0; bottom: 0; width: 4px; left: 4px; background: var(--ink); }
  .handle:focus-visible { outline: 2px solid var(--accent); border-radius: 4px; }
`;

class Editor {
  constructor({ content, player, lyrics, wave }) {
    Object.assign(this, { content, player, lyrics, wave });
    this.review = content.review;
    this.revision = this.review.revision;
    this.past = [];
    this.future = [];
    this.saved = this.version;
    this.selected = null; // a line
    wave.near.getWrapper().getRootNode().prepend(element("style", {}, EDIT_STYLE));
    this.lane = wave.lane("edits");
    document.body.classList.add("editing");
    this.furnish();
    lyrics.list.addEventListener("click", (event) => {
      const item = event.target.closest(".line");
      const row = item && lyrics.rows[item.dataset.index];
      if (row?.line && !event.target.closest("input")) this.select(row.line);
    });
    lyrics.list.addEventListener("dblclick", (event) => event.target.closest(".text") && this.open());
    lyrics.addEventListener("show", () => this.decorate());
    player.addEventListener("seek", () => this.seek());
    wave.near.on("zoom", () => this.hold());
    addEventListener("beforeunload", (event) => this.isChanged && event.preventDefault());
    document.addEventListener("keydown", (event) => this.controlKey(event));
    addShortcut("e", "E", "correct the words of the line", () => this.open());
    addShortcut("c", "C", "the line is right: no longer doubtful", () => this.check());
    addShortcut("[", "[", "the line starts now", () => this.setEdge("start"));
    addShortcut("]", "]", "the line ends now", () => this.setEdge("end"));
    for (const [keys, text] of Object.entries(CONTROL_KEYS)) {
      document.getElementById("keys").append(element("dt", {}, element("kbd", {}, keys)), element("dd", {}, text));
    }
    this.timing = new Timing(this);
    this.decorate();
    this.show();
    this.restoreDraft();
    if (this.review.vocals) this.fetchVocals();
  }

  furnish() {
    const button = (id, text, act, label) => {
      const made = element("button", { type: "button", id, class: "small", "aria-label": label, title: label }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.undoButton = button("undo", "↶", () => this.undo(), "Undo");
    this.redoButton = button("redo", "↷", () => this.redo(), "Redo");
    this.saveButton = button("save", "Save", () => this.save());
    this.state = element("p", { id: "save-state", class: "quiet", role: "status" });
    const steps = element("div", { class: "joined", role: "group", "aria-label": "Changes" }, this.undoButton, this.redoButton);
    document.getElementById("follow").before(this.state, steps, this.saveButton);
    if (this.review.changed) {
      const note = "The song was transcribed again after these corrections; the saved corrections are shown.";
      document.getElementById("notes").append(element("p", {}, note));
      document.getElementById("notes").hidden = false;
    }
    if (showsChanges) {
      const note = "These lyrics were corrected with a text; the marks show what was heard. Saving removes them.";
      document.getElementById("notes").append(element("p", {}, note));
      document.getElementById("notes").hidden = false;
    }
    this.tools = element("div", { id: "tools", class: "tools", role: "group", "aria-label": "Change the selected line" });
    document.getElementById("player").append(this.tools);
    const add = button("add-first", "Insert a line at the beginning", () => this.insert(-1));
    this.lyrics.list.before(add);
    if (this.review.machine) this.showMachine(this.review.machine);
  }

  showMachine(lines) {
    const back = element("button", { type: "button", class: "small", id: "take-back" }, "Revert to the machine's version");
    back.addEventListener("click", () => this.commit(lines.map((line) => ({ line, words: null, start: line.start }))));
    const shown = lines.map(({ start, text }) =>
      element("li", {}, element("span", { class: "quiet" }, `${clock(start)} `), element("bdi", {}, text)),
    );
    document.querySelector("aside").prepend(
      element(
        "details",
        { id: "machine" },
        element("summary", {}, "The machine's version"),
        element("ul", { class: "scrolled", tabindex: "0", "aria-label": "The machine's version" }, ...shown),
        element("p", {}, back),
      ),
    );
  }

  /** What can be undone, but for the selection. */
  get version() {
    return { rows: this.lyrics.rows, names: [this.content.title, this.content.artist] };
  }

  get isChanged() {
    const { rows, names } = this.version;
    return rows !== this.saved.rows || names.some((name, at) => name !== this.saved.names[at]);
  }

  /** Uncorrected lyrics can be saved too, which marks them as right. */
  get canSave() {
    return this.isChanged || this.revision === (showsChanges ? this.review.revision : 0);
  }

  get index() {
    return this.lyrics.rows.findIndex((row) => row.line !== null && row.line === this.selected);
  }

  currentLine() {
    return this.lyrics.rows[this.lyrics.current]?.line || null;
  }

  /* Changes */

  /** Show other rows, title and artist, and keep the previous ones for undo. */
  commit(rows, selected = this.selected, names = this.version.names) {
    this.past.push({ ...this.version, selected: this.selected });
    this.future = [];
    this.apply({ rows: inOrder(rows), names, selected });
  }

  apply({ rows, names, selected }) {
    this.selected = selected;
    this.input = null;
    [this.content.title, this.content.artist] = names;
    showNames(this.content);
    this.lyrics.show(rows);
    this.show();
    this.keepDraft();
  }

  undo() {
    if (!this.past.length) return;
    this.future.push({ ...this.version, selected: this.selected });
    this.apply(this.past.pop());
  }

  redo() {
    if (!this.future.length) return;
    this.past.push({ ...this.version, selected: this.selected });
    this.apply(this.future.pop());
  }

  /** Return the index of the next row that holds a line. */
  following(index) {
    return this.lyrics.rows.findIndex((row, at) => at > index && row.line !== null);
  }

  split() {
    const line = this.selected;
    if (!line) return;
    const n = this.input ? wordAtPlace(this.input.value, this.input.selectionStart) : wordAtTime(line, this.player.position);
    const parts = splitLine(this.input ? withText(line, this.input.value) : line, n);
    if (!parts) {
      this.say("To split a line, put the cursor or the playback position between two of its words.");
      return;
    }
    const rows = [...this.lyrics.rows];
    rows.splice(this.index, 1, ...parts.map((part) => ({ line: part, words: null, start: part.start })));
    this.commit(rows, parts[0]);
  }

  merge() {
    const [index, next] = [this.index, this.following(this.index)];
    if (index < 0 || next < 0) return;
    const line = mergeLines(this.selected, this.lyrics.rows[next].line);
    const rows = this.lyrics.rows.filter((_, at) => at !== next);
    rows[index] = { line, words: null, start: line.start };
    this.commit(rows, line);
  }

  insert(index) {
    const next = this.following(index);
    const [before, after] = [index, next].map((at) => this.lyrics.rows[at]?.line);
    const line = lineAt(this.player.position, before, after, this.content.duration);
    const rows = [...this.lyrics.rows];
    rows.splice(index + 1, 0, { line, words: null, start: line.start });
    this.commit(rows, line);
    this.open();
  }

  remove() {
    if (this.index < 0) return;
    const next = this.lyrics.rows[this.following(this.index)]?.line || null;
    this.commit(this.lyrics.rows.filter((row) => row.line !== this.selected), next);
  }

  check() {
    if (this.index >= 0) this.replaceLine({ ...this.selected, flags: [] }, { keep: true });
  }

  /** Let a line start or end now: while the song plays the one that is sung, else the selected one. */
  setEdge(edge) {
    const time = this.player.position;
    const sung = this.lyrics.sung.map(({ row }) => row.line);
    const line = this.player.playing || !this.selected ? lineMeant(sung, edge, time) : this.selected;
    if (!line) return;
    this.selected = line;
    this.replaceLine(withEdgeNow(line, edge, time, this.content.duration), { keep: true });
  }

  /** Replace the selected line; with `keep` its words are the same, and so are its marks. */
  replaceLine(line, { keep = false } = {}) {
    const index = this.index;
    const rows = [...this.lyrics.rows];
    rows[index] = { line, words: keep ? rows[index].words : null, start: line.start };
    this.commit(rows, line);
  }

  /* Words */

  /** Edit the words of the selected line, or else of the current one. */
  open() {
    if (!this.selected) this.select(this.currentLine());
    const index = this.index;
    if (index < 0 || this.input) return;
    const line = this.selected;
    const input = element("input", {
      class: "edit-text",
      value: line.text,
      dir: "auto",
      lang: this.content.language,
      "aria-label": "Words of the line",
      spellcheck: "true",
    });
    const close = (keep) => {
      if (this.input !== input) return; // already closed, which removed its focus
      this.input = null;
      const changed = withText(line, input.value);
      if (keep && changed.text === "") this.remove();
      else if (keep && changed !== line) this.replaceLine(changed);
      else if (line.text === "") this.undo();
      else this.lyrics.show(this.lyrics.rows);
      this.lyrics.items[this.index]?.querySelector(".time")?.focus({ preventScroll: true });
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && event.shiftKey) this.split();
      else if (event.key === "Enter") close(true);
      else if (event.key === "Escape") close(false);
      else return;
      event.preventDefault();
    });
    input.addEventListener("blur", () => close(true));
    this.lyrics.items[index].querySelector(".text").replaceChildren(input);
    this.input = input;
    input.focus({ preventScroll: true });
  }

  /* What is shown */

  /** Select the line at the position, unless the song plays or words are being edited. */
  seek() {
    const line = this.currentLine();
    if (line && !this.player.playing && !this.input) this.select(line);
  }

  select(line) {
    if (this.selected === line) return;
    this.selected = line;
    if (line && this.wave.scale < CLOSE_UP / 2) this.wave.zoomTo(CLOSE_UP);
    if (line) this.wave.keepInView(line.start);
    this.decorate();
  }

  show() {
    const { undoButton, redoButton, saveButton } = this;
    undoButton.disabled = !this.past.length;
    redoButton.disabled = !this.future.length;
    saveButton.disabled = !this.canSave;
    saveButton.classList.toggle("primary", this.isChanged);
    this.say(this.isChanged ? "Unsaved changes" : this.canSave ? "No changes; save if correct" : `Saved (revision ${this.revision})`);
  }

  say(text, isBad = false) {
    this.state.textContent = text;
    this.state.classList.toggle("bad", isBad);
  }

  /** Add tools and handles to the selected line. */
  decorate() {
    const { lyrics } = this;
    lyrics.list.querySelectorAll(".selected").forEach((item) => item.classList.remove("selected"));
    lyrics.items[this.index]?.classList.add("selected");
    this.showTools();
    this.hold();
  }

  showTools() {
    const tool = (name, text, act, isFree = false, isOff = false) => {
      const button = element("button", { type: "button", class: "small", "data-tool": name }, text);
      button.addEventListener("pointerdown", (event) => event.preventDefault()); // the caret stays where it is
      button.addEventListener("click", act);
      button.disabled = isOff || (!selected && !isFree);
      if (name === "loop") button.setAttribute("aria-pressed", String(this.timing.isLooping));
      return button;
    };
    const selected = this.index < 0 ? null : this.selected;
    const times = selected ? `${clock(selected.start, 2)} – ${clock(selected.end, 2)}` : "No line is selected";
    const parts = [
      element("span", { class: "quiet span" }, times),
      tool("tap-line", "Tap line", () => this.timing.tapLine(), true),
      tool("tap-word", "Tap word", () => this.timing.tapWord(), true),
      tool("start", "Starts now", () => this.setEdge("start")),
      tool("end", "Ends now", () => this.setEdge("end")),
      tool("snap", "To the voice", () => this.timing.snap()),
      tool("loop", "Loop", () => this.timing.setLoop(!this.timing.isLooping)),
      tool("open", "Correct", () => this.open()),
      tool("split", "Split", () => this.split()),
      tool("merge", "Join with next", () => this.merge()),
      tool("insert", "Insert below", () => this.insert(this.index)),
      tool("delete", "Delete", () => this.remove()),
      tool("check", "Not doubtful", () => this.check(), false, !selected?.flags.length),
      tool("shift", "Shift…", () => askShift(this), true),
      tool("replace", "Replace…", () => askReplace(this), true),
      tool("title", "Title…", () => askTitle(this), true),
      this.review.align && tool("align", "Align a text…", () => askText(this), true, this.aligning),
    ];
    this.tools.replaceChildren(...parts.filter(Boolean));
  }

  /* Times on the waveform */

  hold(line = this.selected) {
    this.lane.replaceChildren();
    if (!line || this.index < 0) return;
    this.held = line;
    const parts = line.words.length ? line.words : [line];
    // Where a line and its first or last word share an edge, they share the handle.
    const isOwn = (word, edge) => line.words[word][edge] !== line[edge];
    const edges = line.words.flatMap((_, word) => [[word, "start"], [word, "end"]]).filter((one) => isOwn(...one));
    this.lane.append(
      ...parts.map((part) => {
        const block = this.wave.span("held", part.start, part.end);
        block.title = block.textContent = part.text;
        return block;
      }),
      ...[...edges, [null, "start"], [null, "end"]].map((one) => this.handle(...one)),
    );
  }

  handle(word, edge) {
    const name = word === null ? "the line" : `“${this.held.words[word].text}”`;
    const handle = element("div", {
      class: word === null ? "handle of-line" : "handle",
      role: "slider",
      tabindex: "0",
      "data-word": word,
      "data-edge": edge,
      "aria-label": `${edge === "start" ? "Start" : "End"} of ${name}`,
      "aria-valuemin": "0",
      "aria-valuemax": this.content.duration.toFixed(3),
    });
    this.place(handle, word, edge);
    handle.addEventListener("keydown", (event) => {
      const step = NUDGES[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.moveTo(word, edge, this.timeOf(word, edge) + step * (event.shiftKey ? 10 : 1));
      this.lane.querySelector(selectorOf(word, edge))?.focus({ preventScroll: true });
    });
    handle.addEventListener("pointerdown", (event) => this.drag(event, handle, word, edge));
    handle.addEventListener("click", (event) => event.stopPropagation());
    return handle;
  }

  timeOf(word, edge) {
    return (word === null ? this.held : this.held.words[word])[edge];
  }

  place(handle, word, edge) {
    const time = this.timeOf(word, edge);
    handle.style.left = this.wave.share(time);
    handle.setAttribute("aria-valuenow", time.toFixed(3));
    handle.setAttribute("aria-valuetext", clock(time, 3));
  }

  moveTo(word, edge, time) {
    const line = withEdge(this.selected, word, edge, time, this.content.duration);
    const at = (one) => (word === null ? one : one.words[word])[edge];
    if (at(line) === at(this.selected)) this.hold();
    else this.replaceLine(line, { keep: true });
  }

  drag(event, handle, word, edge) {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
    const from = this.timeOf(word, edge);
    const timeAt = (moved) => from + (moved.clientX - event.clientX) / this.wave.scale;
    const move = (moved) => {
      this.held = withEdge(this.selected, word, edge, timeAt(moved), this.content.duration);
      this.redraw();
    };
    const finish = (last) => {
      handle.removeEventListener("pointermove", move);
      if (last.type === "pointerup" && last.clientX !== event.clientX) this.moveTo(word, edge, timeAt(last));
      else this.hold();
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    };
    const swallow = (click) => click.stopPropagation(); // the end of a drag must not count as a click
    handle.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) handle.addEventListener(kind, finish, { once: true });
  }

  redraw() {
    const parts = this.held.words.length ? this.held.words : [this.held];
    [...this.lane.querySelectorAll(".held")].forEach((block, index) => this.wave.put(block, parts[index].start, parts[index].end));
    for (const handle of this.lane.querySelectorAll(".handle")) {
      this.place(handle, handle.dataset.word === undefined ? null : Number(handle.dataset.word), handle.dataset.edge);
    }
  }

  /* Saving */

  controlKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const typing = (this.input !== null && this.input !== undefined) || document.querySelector("dialog[open]");
    if (key === "s") this.save();
    else if (!typing && (key === "y" || (key === "z" && event.shiftKey))) this.redo();
    else if (!typing && key === "z") this.undo();
    else return;
    event.preventDefault();
  }

  document() {
    const { content } = this;
    const lines = this.lyrics.rows.filter((row) => row.line !== null).map((row) => row.line);
    const segments = content.segments.length ? content.segments : sungSpans(lines);
    return {
      schema: "lyricsep/lyrics",
      version: 1,
      title: content.title,
      artist: content.artist,
      language: content.language,
      duration: content.duration,
      vocals_found: segments.length > 0,
      flagged: lines.flatMap((line, index) => (line.flags.length ? [index] : [])),
      segments,
      decodings: content.decodings,
      lines,
    };
  }

  /** Send JSON to the server and return its answer; an error says what to do. */
  async send(method, url, body) {
    const headers = { "Content-Type": "application/json" };
    if (this.review.token) headers["X-Lyricsep-Token"] = this.review.token;
    // Its message, where nobody answers, differs from browser to browser.
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) }).catch(() => null);
    if (answer === null) {
      const command = `lyricsep review DIR --port ${location.port}`;
      throw new Error(`the server has ended. Start \`${command}\` again and open the address that it prints.`);
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.status === STALE) throw new Error("the song was saved in another window. Reload the page.");
    if (!answer.ok) throw new Error(`${told.error || `server status ${answer.status}`}; try again.`);
    return told;
  }

  /** Let the server find the times of a text; the lines come as a change, not saved yet. */
  async align(text) {
    const began = performance.now();
    const tick = () => this.say(`Finding the times… ${clock((performance.now() - began) / 1000)}`);
    const ticking = setInterval(tick, 500);
    this.aligning = true;
    tick();
    this.showTools();
    try {
      const { lines } = await this.send("POST", this.review.align, { text });
      clearInterval(ticking);
      this.commit(lines.map((line) => ({ line, words: null, start: line.start })), null);
    } catch (error) {
      this.say(`No times were found: ${error.message}`, true);
    } finally {
      clearInterval(ticking);
      this.aligning = false;
      this.showTools();
    }
  }

  /** Let the server separate the vocals, which it does not keep; the page works without them meanwhile. */
  async fetchVocals() {
    const note = element("p", { id: "vocals-note" }, "The vocals are being separated…");
    const notes = document.getElementById("notes");
    notes.replaceChildren(note, ...notes.querySelectorAll("#draft"));
    notes.hidden = false;
    try {
      const { audio, peaks, envelope } = await this.send("POST", this.review.vocals, {});
      const { content } = this;
      content.audio.vocals = audio;
      content.peaks.vocals = peaks;
      content.envelope = envelope;
      this.player.add("vocals", audio);
      this.wave.showLevel();
      this.timing.listen();
      note.remove();
      notes.hidden = notes.children.length === 0;
    } catch (error) {
      note.textContent = `The vocals could not be separated: ${error.message}`;
    }
  }

  /* Drafts: unsaved changes survive a crash of the browser or of the server */

  get draftKey() {
    return `lyricsep draft of ${location.pathname}`;
  }

  keepDraft() {
    try {
      if (this.isChanged) localStorage.setItem(this.draftKey, JSON.stringify({ ...this.version, revision: this.revision }));
      else localStorage.removeItem(this.draftKey);
    } catch {
      // Without storage, or with a full one, only the page holds the changes.
    }
  }

  restoreDraft() {
    let draft = null;
    try {
      draft = JSON.parse(localStorage.getItem(this.draftKey));
    } catch {
      return;
    }
    if (!Array.isArray(draft?.rows) || !Array.isArray(draft.names)) return;
    const isOlder = draft.revision !== this.revision;
    const restore = () => this.commit(draft.rows, null, draft.names);
    const note = element("p", { id: "draft" }, isOlder ? "There are unsaved changes of an older revision. " : "Unsaved changes were restored. ");
    const act = element("button", { type: "button", class: "small" }, isOlder ? "Take them" : "Discard them");
    act.addEventListener("click", () => {
      note.remove();
      if (isOlder) restore();
      else this.undo();
    });
    note.append(act);
    document.getElementById("notes").append(note);
    document.getElementById("notes").hidden = false;
    if (!isOlder) restore();
  }

  async save() {
    this.input?.blur();
    if (!this.canSave || this.saving) return;
    const { version } = this;
    this.saving = true;
    this.say("Saving…");
    try {
      const told = await this.send("PUT", this.review.save, { revision: this.revision, lyrics: this.document() });
      this.revision = told.revision;
      this.saved = version;
      this.keepDraft();
      this.show();
    } catch (error) {
      this.say(`Not saved: ${error.message} Your changes are kept in this browser.`, true);
    } finally {
      this.saving = false;
    }
  }
}

function selectorOf(word, edge) {
  return word === null ? `.of-line[data-edge=${edge}]` : `[data-word="${word}"][data-edge=${edge}]`;
}

/** Sort lines by their start; a row without a time stays behind the line before it. */
function inOrder(rows) {
  let last = 0;
  const keys = rows.map((row) => (last = row.line ? row.line.start : Math.max(last, row.start ?? last)));
  return rows.map((row, index) => ({ row, key: keys[index] })).sort((a, b) => a.key - b.key).map(({ row }) => row);
}

const editor = new Editor(page);
