/**
 * The song and its vocals, played in parallel: one is audible, the other muted, so that switching keeps the
 * position. The muted one is kept within milliseconds of the other by playing it slightly faster or slower.
 */

const LOOSE = 0.25; // seconds of drift above which the muted one is moved
const TIGHT = 0.002; // seconds of drift that are ignored
const NUDGE = 0.25; // largest change of its speed
const PULL = 8; // change of speed per second of drift

class Player extends EventTarget {
  constructor(audio, duration) {
    super();
    this.duration = duration;
    this.elements = {};
    this.speed = 1;
    this.still = 0; // the position where there is no sound
    for (const name of ["mixture", "vocals"]) {
      if (audio[name]) this.elements[name] = this.open(name, audio[name]);
    }
    this.names = Object.keys(this.elements);
    this.heard = this.names[0] || null;
    this.mute();
    setInterval(() => this.align(), 50);
  }

  open(name, url) {
    const sound = new Audio();
    sound.dataset.name = name;
    sound.preload = "auto";
    sound.addEventListener("play", () => name === this.heard && this.tell("state"));
    sound.addEventListener("pause", () => name === this.heard && this.tell("state"));
    sound.addEventListener("ended", () => name === this.heard && this.pause());
    sound.addEventListener("error", () => this.fail(name));
    const [kind, base64] = url.split(";base64,");
    const isWithin = base64 !== undefined && kind.startsWith("data:");
    document.body.append(sound);
    sound.src = isWithin ? URL.createObjectURL(new Blob([bytesOf(base64)], { type: kind.slice(5) })) : url;
    return sound;
  }

  /** Add a sound that was made while the page is open. */
  add(name, url) {
    this.elements[name] = this.open(name, url);
    this.names = Object.keys(this.elements);
    this.heard ??= name;
    this.mute();
    this.setSpeed(this.speed);
    this.elements[name].currentTime = this.position;
    this.tell("state");
  }

  /** Continue without a sound that cannot be played. */
  fail(name) {
    this.still = this.position;
    this.elements[name].remove();
    delete this.elements[name];
    this.names = Object.keys(this.elements);
    if (name === this.heard) {
      this.heard = this.names[0] || null;
      this.mute();
    }
    this.tell("fail", name);
    this.tell("state");
  }

  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  get sound() {
    return this.elements[this.heard] || null;
  }

  get playing() {
    return this.sound !== null && !this.sound.paused;
  }

  get position() {
    return this.sound ? Math.min(this.sound.currentTime, this.duration) : this.still;
  }

  get others() {
    return this.names.filter((name) => name !== this.heard).map((name) => this.elements[name]);
  }

  seek(time) {
    this.still = Math.min(Math.max(0, time), this.duration);
    for (const name of this.names) this.elements[name].currentTime = this.still;
    this.tell("seek");
  }

  async play() {
    if (!this.sound) return;
    if (this.position >= this.duration - 0.05) this.seek(0);
    await Promise.allSettled(this.names.map((name) => this.elements[name].play()));
  }

  pause() {
    for (const name of this.names) this.elements[name].pause();
    // The audible one goes on until it is paused: its position is known only now.
    const place = this.position;
    for (const other of this.others) other.currentTime = place;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Make the other one audible. */
  choose(name) {
    if (!(name in this.elements) || name === this.heard) return;
    this.heard = name;
    this.mute();
    this.setSpeed(this.speed);
    this.tell("state");
  }

  mute() {
    for (const name of this.names) {
      this.elements[name].muted = name !== this.heard;
      // Keeping the pitch takes time and shifts the clock slightly.
      this.elements[name].preservesPitch = name === this.heard;
    }
  }

  setSpeed(speed) {
    this.speed = speed;
    for (const name of this.names) this.elements[name].playbackRate = speed;
  }

  setVolume(volume) {
    for (const name of this.names) this.elements[name].volume = volume;
  }

  align() {
    if (!this.playing || this.sound.seeking) return;
    for (const other of this.others) {
      if (other.seeking) continue;
      if (other.paused && !other.ended) other.play().catch(() => {});
      const ahead = other.currentTime - this.sound.currentTime;
      if (Math.abs(ahead) > LOOSE) other.currentTime = this.sound.currentTime;
      const nudge = Math.abs(ahead) > TIGHT ? Math.max(-NUDGE, Math.min(NUDGE, -PULL * ahead)) : 0;
      const rate = this.speed * (1 + nudge);
      if (Math.abs(other.playbackRate - rate) > 1e-3) other.playbackRate = rate;
    }
  }
}
