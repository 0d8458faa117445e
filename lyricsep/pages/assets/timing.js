/** Timing by ear: taps while the song plays, a loop, small steps, shifts, and the onsets of the voice. */

const SPEEDS = [1, 0.75, 0.5];
const BACK = 2; // seconds before a tap that was taken back
const AROUND = 0.3; // seconds before and after a line that are looped too
const SNAP_WITHIN = 0.5; // seconds
const QUIET = 0.1; // of the loudest voice: -20 dB
const RISE = 2; // times as loud as in the tenth of a second before

/** Return the times in seconds at which a voice sets in, from its peaks. */
function onsetsOf(peaks, rate) {
  const loud = Float32Array.from(peaks).sort()[Math.floor(0.95 * peaks.length)] || 1;
  const before = Math.round(0.1 * rate);
  const onsets = [];
  for (let at = before; at < peaks.length; at++) {
    let sum = 0;
    for (let back = 1; back <= before; back++) sum += peaks[at - back];
    const isOnset = peaks[at] > QUIET * loud && peaks[at] > (RISE * sum) / before;
    if (isOnset && !(at / rate - onsets.at(-1) < 0.1)) onsets.push(at / rate);
  }
  return onsets;
}

class Timing {
  constructor(editor) {
    this.editor = editor;
    this.place = { row: 0, word: 0 }; // what the next tap starts
    this.taps = [];
    this.isLooping = false;
    const { player } = editor;
    this.listen();
    player.addEventListener("seek", () => this.start());
    player.addEventListener("time", () => this.loop());
    addShortcut("t", "T", "tap: the next line starts now", () => this.tapLine());
    addShortcut("w", "W", "tap: the next word starts now", () => this.tapWord());
    addShortcut("Backspace", "⌫", "take back the last tap", () => this.takeBack());
    addShortcut("s", "S", "slower: 1×, 0.75×, 0.5×", () => this.slower());
    addShortcut("l", "L", "play the line again and again", () => this.setLoop(!this.isLooping));
    addShortcut("o", "O", "start the line at the nearest onset of the voice", () => this.snap());
    for (const [keys, seconds] of [[", .", 0.01], ["< >", 0.1]]) {
      const [back, forward] = keys.split(" ");
      addShortcut(back, keys, `move the line by ${seconds} s`, () => this.move(-seconds));
      page.shortcuts.set(forward, () => this.move(seconds));
    }
  }

  /** Find the onsets of the voice. */
  listen() {
    const { vocals, rate } = this.editor.content.peaks;
    this.onsets = vocals ? onsetsOf(bytesOf(vocals), rate) : [];
  }

  /** Let taps go on from the playback position: with the first line that starts there or later. */
  start() {
    const { lyrics, player } = this.editor;
    const row = lyrics.rows.findIndex(({ line }) => line !== null && line.start >= player.position - CLOSE);
    this.place = { row: row < 0 ? lyrics.rows.length : row, word: 0 };
    this.taps = [];
    this.show();
  }

  tap(rows, index, next) {
    const { editor } = this;
    this.taps.push({ place: this.place, position: editor.player.position });
    editor.commit(rows, rows[index].line);
    this.place = next;
    this.show();
  }

  tapLine() {
    const { lyrics, player, content } = this.editor;
    const { row } = this.place;
    if (!lyrics.rows[row]?.line) return;
    this.tap(tappedLine(lyrics.rows, row, player.position, content.duration), row, this.after(row));
  }

  tapWord() {
    const { lyrics, player, content } = this.editor;
    const { row, word } = this.place;
    if (!lyrics.rows[row]?.line) return;
    const rows = word === 0 ? tappedLine(lyrics.rows, row, player.position, content.duration) : [...lyrics.rows];
    const line = tappedWord(rows[row].line, word, player.position, content.duration);
    rows[row] = { ...rows[row], line, start: line.start };
    this.tap(rows, row, word + 1 < line.words.length ? { row, word: word + 1 } : this.after(row));
  }

  after(row) {
    const next = this.editor.following(row);
    return { row: next < 0 ? this.editor.lyrics.rows.length : next, word: 0 };
  }

  /** Undo the last tap and play from a little before it. */
  takeBack() {
    const last = this.taps.pop();
    if (!last) return;
    const { taps } = this;
    this.editor.undo();
    this.editor.player.seek(last.position - BACK);
    this.taps = taps;
    this.place = last.place;
    this.show();
  }

  slower() {
    const { player } = this.editor;
    const speed = SPEEDS[(SPEEDS.indexOf(player.speed) + 1) % SPEEDS.length];
    player.setSpeed(speed);
    byId("speed").value = String(speed);
  }

  setLoop(wanted) {
    const { editor } = this;
    if (wanted && !editor.selected) editor.select(editor.currentLine());
    this.isLooping = wanted && editor.selected !== null;
    if (this.isLooping) {
      const line = editor.selected;
      editor.player.seek(line.start - AROUND); // which selects the line that is sung there
      editor.select(line);
      editor.player.play();
    }
    editor.showTools();
  }

  loop() {
    const { player, selected, index } = this.editor;
    if (!this.isLooping || !player.playing || index < 0) return;
    if (player.position > selected.end + AROUND) player.seek(selected.start - AROUND);
  }

  move(seconds) {
    const { editor } = this;
    if (editor.index >= 0) editor.replaceLine(movedBy(editor.selected, seconds, editor.content.duration), { keep: true });
  }

  snap() {
    const { editor, onsets } = this;
    if (editor.index < 0) return;
    const { start } = editor.selected;
    const nearest = onsets.reduce((best, onset) => (Math.abs(onset - start) < Math.abs(best - start) ? onset : best), Infinity);
    if (Math.abs(nearest - start) > SNAP_WITHIN) {
      editor.say(onsets.length ? "No onset of the voice is near." : "The vocals are needed to find their onsets.");
    } else {
      editor.replaceLine(withEdgeNow(editor.selected, "start", nearest, editor.content.duration), { keep: true });
    }
  }

  /** Mark what the next tap starts. */
  show() {
    const { lyrics } = this.editor;
    lyrics.list.querySelectorAll(".next-tap").forEach((one) => one.classList.remove("next-tap"));
    if (!this.taps.length) return;
    const item = lyrics.items[this.place.row];
    const word = this.place.word && item?.querySelector(`[data-word="${this.place.word}"]`);
    (word || item)?.classList.add("next-tap");
  }
}
