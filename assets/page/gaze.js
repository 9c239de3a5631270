// What was looked at: a lane under the strip of the timeline, and what is drawn on the picture.
import { $, call, clock, make } from "./common.js";

const SOON = 300; // milliseconds
const APART = 0.001; // seconds between two pieces of one look
const STAYS = 1.5; // seconds that a look is drawn after its end
const MOST = 300; // looks in the lane, the longest
const LIVE = 500; // looks kept that were just told
const CHUNK = 10; // seconds of recorded points that are asked for at once
const CHUNKS = 12; // of them kept

export class Gaze {
  constructor({ jump }) {
    const lane = $("gazes");
    this.detach();
    lane.addEventListener("click", (event) => {
      const mark = event.target.closest("button");
      if (mark) jump(Number(mark.dataset.start));
    });
    lane.addEventListener("keydown", (event) => {
      const marks = [...lane.children];
      const here = marks.indexOf(document.activeElement);
      const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: marks.length - 1 }[event.key];
      if (here < 0 || to === undefined) return;
      event.preventDefault();
      marks[Math.max(0, Math.min(marks.length - 1, to))].focus();
    });
    for (const name of ["pointerover", "focusin"])
      lane.addEventListener(name, ({ target }) => target.dataset.said && this.say(target.dataset.said));
    for (const name of ["pointerout", "focusout"]) lane.addEventListener(name, () => this.say(""));
    lane.addEventListener("focusin", ({ target }) => this.stop(target));
  }

  attach(session, recorded) {
    Object.assign(this, { session, recorded });
    if (this.window) this.stretch(...this.window);
  }

  detach() {
    clearTimeout(this.timer);
    Object.assign(this, {
      session: "", recorded: false, window: null, told: [], live: [], looks: [],
      points: new Map(), marks: new Map(),
    });
    $("gazes").replaceChildren();
    $("gaze").hidden = true;
  }

  take(what) {
    if (what.kind !== "gaze") return;
    this.live = [...this.live.slice(-LIVE), what];
    this.gather();
  }

  // The timeline shows another stretch.
  stretch(start, end) {
    this.window = [start, end];
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), SOON);
  }

  async load() {
    const { session, window } = this;
    if (!session) return;
    const told = await call("GET", `sessions/${session}/gaze?start=${window[0]}&end=${window[1]}`).catch(() => null);
    if (!told || window !== this.window) return;
    this.told = told.fixations;
    this.gather();
  }

  // Each look once, whole: a long one became known in pieces.
  gather() {
    const pieces = new Map([...this.told, ...this.live].map((piece) => [piece.start, piece]));
    this.looks = [];
    for (const piece of [...pieces.values()].sort((one, other) => one.start - other.start)) {
      const last = this.looks.at(-1);
      if (last && piece.start - last.end < APART) {
        last.end = Math.max(last.end, piece.end);
        last.pieces.push(piece);
      } else this.looks.push({ ...piece, pieces: [piece] });
    }
    this.draw();
  }

  draw() {
    if (!this.window) return;
    const [start, end] = this.window;
    const shown = this.looks
      .filter((look) => look.end > start && look.start < end)
      .sort((one, other) => other.end - other.start - (one.end - one.start))
      .slice(0, MOST)
      .sort((one, other) => one.start - other.start);
    const kept = new Map();
    for (const look of shown) {
      const said = `${clock(look.start)}: ${name(look)}, for ${(look.end - look.start).toFixed(1)} s`;
      const mark = this.marks.get(look.start) ??
        make("button", { type: "button", tabindex: "-1", "data-start": look.start });
      const left = Math.max(0, (100 * (look.start - start)) / (end - start));
      const right = Math.min(100, (100 * (look.end - start)) / (end - start));
      Object.assign(mark.style, { left: `${left}%`, width: `${right - left}%` });
      if (mark.dataset.said !== said) {
        mark.dataset.said = mark.title = said;
        mark.ariaLabel = `Looked at ${said}. Go there`;
      }
      kept.set(look.start, mark);
    }
    this.marks = kept;
    const marks = [...kept.values()];
    const lane = $("gazes");
    if (marks.length !== lane.children.length || marks.some((mark, i) => mark !== lane.children[i]))
      place(lane, marks);
    if (marks.length && !marks.some((mark) => mark.tabIndex === 0)) marks.at(-1).tabIndex = 0;
    $("gaze").hidden = !this.looks.length;
    this.count = marks.length;
    if (!lane.querySelector(":hover, :focus")) this.say("");
  }

  // Tab comes to one mark; the arrow keys go on from it.
  stop(mark) {
    for (const one of this.marks.values()) one.tabIndex = one === mark ? 0 : -1;
  }

  say(text) {
    $("gazed").textContent = text || `Gaze: ${this.count} look${this.count === 1 ? "" : "s"}`;
  }

  // The looks to be drawn on the picture of stream time.
  around(time) {
    return this.looks
      .filter((look) => look.start <= time + 0.1 && time - look.end < STAYS)
      .map((look) => {
        const on = look.pieces.findLast((piece) => piece.target && piece.start <= time + 0.1);
        return { ...look, target: on?.target ?? look.target, ago: Math.max(0, time - look.end) };
      });
  }

  // Where the gaze of a recording was at stream time; null where that is not known.
  point(time) {
    if (!this.recorded) return null;
    const chunk = Math.floor(time / CHUNK);
    for (const one of [chunk, chunk + 1]) {
      if (this.points.has(one)) continue;
      this.points.set(one, []);
      if (this.points.size > CHUNKS) this.points.delete(this.points.keys().next().value);
      const { points } = this;
      call("GET", `sessions/${this.session}/gaze/points?start=${one * CHUNK}&end=${(one + 1) * CHUNK}`)
        .then((told) => points.set(one, told.points), () => points.delete(one));
    }
    const last = this.points.get(chunk).findLast((point) => point && point[0] <= time);
    return last && time - last[0] < 0.15 ? { x: last[1], y: last[2] } : null;
  }
}

// What it was on, in order: a look may outlast what it was on.
function name(look) {
  const targets = look.pieces.map((piece) => piece.target).filter(Boolean);
  return targets.filter((target, i) => target !== targets[i - 1]).join(", then ") || "a point without a name";
}

// Put children into an element and leave those that stay where they are: a focused one keeps it.
function place(parent, children) {
  for (const one of [...parent.children]) if (!children.includes(one)) one.remove();
  children.forEach((one, i) => parent.children[i] !== one && parent.insertBefore(one, parent.children[i] ?? null));
}
