/** The waveform with sung segments, level of the vocals and lines; zoomed, and as an overview. */

const CLOSEST = 1000; // pixels a second: a peak is ten of them
const MOST_POINTS = 20000; // of the drawn level
const WHOLE_UP_TO = 360; // seconds of a song that is shown as a whole at first
const WINDOW = 120; // seconds that are shown of a longer one
const STEPS = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

const STYLE = `
  .lane { position: relative; overflow: hidden; }
  .segments, .level { position: absolute; inset: 0 0 auto 0; height: var(--wave-height); pointer-events: none; }
  .segment { position: absolute; top: 0; bottom: 0; background: var(--sung); border-radius: 3px; }
  .level svg { width: 100%; height: 100%; display: block; }
  .level path { fill: none; stroke: var(--level); stroke-width: 1.3; vector-effect: non-scaling-stroke; opacity: 0.9; }
  .level line { stroke: var(--level); stroke-width: 1; stroke-dasharray: 5 4; vector-effect: non-scaling-stroke; opacity: 0.8; }
  .ticks { height: 1.15rem; font: 0.68rem/1.15rem var(--numbers); color: var(--quiet); }
  .tick { position: absolute; padding-left: 0.25rem; border-left: 1px solid var(--edge); white-space: nowrap; }
  .sung { height: 5px; }
  .bar { position: absolute; top: 0; bottom: 0; background: var(--wave-past); border-radius: 3px; border-right: 1px solid var(--paper); }
  .blocks { height: 1.5rem; margin-top: 2px; }
  .block { position: absolute; top: 0; bottom: 0; min-width: 2px; overflow: hidden; border-radius: 4px; cursor: pointer;
    background: var(--block); color: var(--ink); border: 1px solid var(--edge); font: 0.72rem/1.4rem var(--letters);
    padding: 0 0.3rem; box-sizing: border-box; white-space: nowrap; text-overflow: ellipsis; }
  .block.narrow { padding: 0; color: transparent; }
  .block.wrong { border-bottom: 3px solid var(--substitution); }
  .block.flagged { background-image: repeating-linear-gradient(135deg, transparent 0 5px, var(--flag-soft) 5px 9px); }
  .block.current { background-color: var(--accent); border-color: var(--accent); color: var(--on-accent); background-image: none; }
  .block.current.narrow { color: transparent; }
`;

class Wave {
  constructor(place, overviewPlace, player, content) {
    this.player = player;
    this.content = content;
    this.place = place;
    this.height = innerWidth < 600 ? 72 : 96;
    const rate = content.peaks.rate;
    const peaks = content.peaks.mixture || content.peaks.vocals;
    const drawn = peaks ? Float32Array.from(bytesOf(peaks), (peak) => peak / 255) : new Float32Array(2);
    // The peaks may end a little before the clock of the page does.
    const n = Math.max(drawn.length, Math.round(content.duration * rate));
    this.peaks = new Float32Array(peaks ? n : 2);
    this.peaks.set(drawn);
    const near = content.duration <= WHOLE_UP_TO ? 0 : this.width / WINDOW;
    this.near = this.draw(place, this.height, { barWidth: 2, barGap: 1, barRadius: 2, autoScroll: false, minPxPerSec: near });
    this.overview = this.draw(overviewPlace, 28, { hideScrollbar: true, autoScroll: false });
    this.overviewPlace = overviewPlace;
    this.window = element("div", { class: "window" });
    overviewPlace.append(this.window);
    this.furnish();
    this.near.on("redraw", () => this.refresh());
    this.near.on("scroll", () => this.frame());
    onTheme(() => this.paint());
    this.near.once("ready", () => this.refresh());
  }

  draw(container, height, options) {
    const surfer = WaveSurfer.create({
      container,
      height,
      peaks: [this.peaks],
      duration: Math.max(this.content.duration, 0.01),
      media: document.createElement("audio"), // never plays: the player does, and it moves the cursor
      normalize: true,
      cursorWidth: 2,
      ...this.colours(),
      ...options,
    });
    surfer.on("interaction", (time) => this.player.seek(time));
    return surfer;
  }

  colours() {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return { waveColor: colour("--wave"), progressColor: colour("--wave-past"), cursorColor: colour("--accent") };
  }

  paint() {
    for (const surfer of [this.near, this.overview]) surfer.setOptions(this.colours());
  }

  get width() {
    return this.place.clientWidth;
  }

  /** Pixels a second, as shown. */
  get scale() {
    return this.near.getWrapper().clientWidth / this.content.duration;
  }

  share(time) {
    return `${(100 * Math.min(Math.max(time / this.content.duration, 0), 1)).toFixed(4)}%`;
  }

  /** Add a strip below the waveform that scrolls and zooms with it. */
  lane(name) {
    const lane = element("div", { class: `lane ${name}` });
    this.near.getWrapper().append(lane);
    return lane;
  }

  furnish() {
    const wrapper = this.near.getWrapper();
    wrapper.getRootNode().prepend(element("style", {}, STYLE));
    wrapper.style.setProperty("--wave-height", `${this.height}px`);
    const segments = element("div", { class: "segments" });
    for (const { start, end } of this.content.segments) segments.append(this.span("segment", start, end));
    wrapper.prepend(segments);
    this.showLevel();
    this.ticks = this.lane("ticks");
    const sung = this.content.reference?.lines || [];
    if (sung.length) this.lane("sung").append(...sung.map(({ start, end }) => this.span("bar", start, end)));
    this.blocks = this.lane("blocks");
  }

  showLevel() {
    if (this.content.envelope) this.near.getWrapper().append(this.level(this.content.envelope));
  }

  span(kind, start, end) {
    const span = element("div", { class: kind });
    this.put(span, start, end);
    return span;
  }

  put(span, start, end) {
    span.style.left = this.share(start);
    span.style.width = `calc(${this.share(end)} - ${this.share(start)})`;
  }

  level({ rate, levels, quietest, onset, offset }) {
    const heights = bytesOf(levels);
    const step = Math.ceil(heights.length / MOST_POINTS);
    const points = [];
    for (let first = 0; first < heights.length; first += step) {
      const height = Math.max(...heights.subarray(first, first + step));
      points.push(`${((first / rate / this.content.duration) * 1000).toFixed(2)} ${(255 - height).toFixed(0)}`);
    }
    const at = (level) => 255 * (level / quietest);
    const lines = [...new Set([onset, offset])].filter((level) => level > quietest);
    const drawn = lines.map((level) => `<line x1="0" x2="1000" y1="${at(level).toFixed(1)}" y2="${at(level).toFixed(1)}"/>`);
    const lane = element("div", { class: "level" });
    lane.innerHTML = // only numbers, so nothing to escape
      `<svg viewBox="0 0 1000 255" preserveAspectRatio="none" aria-hidden="true">` +
      `<path d="M${points.join("L")}"/>${drawn.join("")}</svg>`;
    return lane;
  }

  /** Show lines below the waveform: {start, end, text, wrong, flagged}. */
  show(lines) {
    this.lines = lines;
    this.blocks.replaceChildren(
      ...lines.map((line, index) => {
        const block = this.span("block", line.start, line.end);
        block.classList.toggle("wrong", line.wrong);
        block.classList.toggle("flagged", line.flagged);
        block.dataset.index = index;
        block.dir = "auto";
        block.textContent = line.text;
        return block;
      }),
    );
    this.narrow();
  }

  narrow() {
    const { scale } = this; // read once, as it forces a layout
    for (const block of this.blocks.children) {
      const line = this.lines[block.dataset.index];
      block.classList.toggle("narrow", (line.end - line.start) * scale < 56);
    }
  }

  mark(index) {
    this.blocks.querySelector(".current")?.classList.remove("current");
    this.blocks.children[index]?.classList.add("current");
  }

  move(time) {
    for (const surfer of [this.near, this.overview]) {
      if (Math.abs(surfer.getCurrentTime() - time) > 1e-3) surfer.setTime(time);
    }
    this.keepInView(time);
  }

  /** Scroll a zoomed waveform when a time is out of view. */
  keepInView(time) {
    const { scale } = this;
    const x = time * scale - this.near.getScroll();
    if (x < 0 || x > this.width) this.near.setScroll(Math.max(0, time * scale - this.width / 8));
  }

  centre(time) {
    this.near.setScroll(Math.max(0, time * this.scale - this.width / 2));
  }

  zoom(factor) {
    this.zoomTo(Math.min(CLOSEST, Math.max(this.width / this.content.duration, this.scale * factor)));
  }

  zoomTo(scale) {
    this.near.zoom(scale);
    this.refresh();
    this.centre(this.player.position);
  }

  refresh() {
    const step = STEPS.find((seconds) => seconds * this.scale >= 64) || 1200;
    if (step !== this.step) {
      this.step = step;
      const ticks = [];
      for (let n = 0; n * step < this.content.duration; n++) {
        const tick = element("div", { class: "tick" }, clock(n * step, step < 1 ? 1 : 0));
        tick.style.left = this.share(n * step);
        ticks.push(tick);
      }
      this.ticks.replaceChildren(...ticks);
    }
    if (this.lines) this.narrow();
    this.frame();
  }

  frame() {
    const whole = this.near.getWrapper().clientWidth;
    this.overviewPlace.hidden = whole <= this.width + 1;
    this.window.style.left = `${(100 * this.near.getScroll()) / whole}%`;
    this.window.style.width = `${(100 * this.width) / whole}%`;
  }
}
