// The timeline: which stretch is shown, from seconds to days, and what is known of it. Segments
// are shown from near; from far, the episodes and days they were gathered into.
import { $, call, clock, make } from "./common.js";
import { Cards, kindOf } from "./cards.js";
import { drawPlace, drawStrip, name } from "./strip.js";

const SPANS = [10, 30, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400];
const CARDS = 60;
const ROUNDED = 0.05; // seconds by which a time in a link may be off
const SOONEST = 250; // milliseconds after which what is new is asked for; from far, later
const LATEST = 30000;
const TELLING = { speech: "heard", text: "read", object: "seen", gaze: "gaze", gap: "gap" };
const NOTHING = { count: 0, level: 0, segments: [], episodes: [], days: [], gaps: [] };

export class Timeline {
  constructor({ jump, ask, stretch }) {
    this.jump = jump; // to a time; with a second one, to be asked about as of that
    this.askAbout = ask;
    this.stretch = stretch; // told which stretch is shown
    this.session = null;
    this.certain = 0.5; // confidence from which a label is taken as fact
    const on = (id, act) => $(id).addEventListener("click", act);
    on("earlier", () => this.move(-0.5));
    on("later", () => this.move(0.5));
    on("closer", () => this.zoom(-1));
    on("wider", () => this.zoom(1));
    on("follow", () => this.following(!this.follow));
    const strip = $("strip");
    strip.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.move(event.deltaX / 800);
      else if (event.ctrlKey) this.zoom(Math.sign(event.deltaY));
      else return;
      event.preventDefault();
    }, { passive: false });
    strip.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.move(-0.25), ArrowRight: () => this.move(0.25), "+": () => this.zoom(-1),
        "=": () => this.zoom(-1), "-": () => this.zoom(1), Home: () => this.show(0), End: () => this.following(true),
      }[event.key];
      if (act) (act(), event.preventDefault());
    });
    strip.addEventListener("click", (event) => {
      const mark = event.target.closest("[data-mark]");
      const one = mark && this.found(mark.dataset.mark);
      if (!one) return;
      this.mark(mark.dataset.mark);
      this.jump(one.start, one.end);
    });
  }

  attach(session) {
    this.session = session;
    this.told = NOTHING;
    this.cards = new Cards(session, { go: this.jump, ask: this.askAbout, closer: (one) => this.frame(one) });
    this.now = 0;
    this.duration = null;
    this.said = [];
    this.span = 60;
    this.chosen = false; // the visitor has not set the span yet
    $("cards").replaceChildren();
    $("now").replaceChildren();
    this.following(true);
  }

  detach() {
    this.session = null;
    for (const id of ["cards", "now", "strip"]) $(id).replaceChildren();
    $("shown").textContent = "";
  }

  following(follow) {
    this.follow = follow;
    $("follow").ariaPressed = String(follow);
    this.load();
  }

  get window() {
    if (!this.follow) return [this.start, this.start + this.span];
    const end = Math.max(this.now, this.chosen ? this.span : Math.min(this.span, this.duration ?? this.span));
    return [Math.max(0, end - this.span), Math.max(end, 1)];
  }

  show(start) {
    this.start = Math.max(0, start);
    this.following(false);
  }

  move(share) {
    this.show(this.window[0] + share * this.span);
  }

  zoom(steps) {
    const [start, end] = this.window;
    const place = SPANS.findIndex((span) => span >= this.span);
    this.span = SPANS[Math.max(0, Math.min(SPANS.length - 1, place + steps))];
    this.chosen = true;
    if (!this.follow) this.start = Math.max(0, (start + end - this.span) / 2);
    this.load();
  }

  // Zoom in on an episode or a day.
  frame({ start, end }) {
    this.span = SPANS.find((span) => span >= end - start) ?? SPANS.at(-1);
    this.chosen = true;
    this.show((start + end - this.span) / 2);
  }

  // Something was seen or heard in the segment that is still open.
  take(what) {
    if (what.kind === "segment") {
      this.said = this.said.filter((line) => line.time >= what.end);
      this.now = Math.max(this.now, what.end);
      this.soon();
    } else if (what.kind === "note") {
      this.soon();
    } else if (TELLING[what.kind]) {
      const time = what.time ?? what.start;
      let text = what.text ?? what.label ?? what.target ?? what.reason;
      if (what.kind === "object" && what.confidence < this.certain) text = `perhaps ${text}`;
      if (!text || (what.kind === "object" && this.said.some((line) => line.text === text))) return;
      this.said.push({ kind: TELLING[what.kind], time, text });
      this.said = this.said.slice(-12);
    } else return;
    this.tell();
  }

  figures(told) {
    this.now = Math.max(this.now, told.time);
    this.duration = told.duration;
    const [, end] = this.window;
    if (this.drawn) drawPlace(told.position ?? told.time, this.drawn);
    if (this.follow && this.drawn && this.drawn[1] < end - this.span / 50) this.draw();
  }

  tell() {
    $("now").replaceChildren(
      ...this.said.slice(-4).map((line) =>
        make("li", {}, make("time", {}, clock(line.time)), " ", kindOf(line.kind), ` ${line.text}`)));
  }

  soon() {
    const wait = Math.max(SOONEST, Math.min(LATEST, this.span * 4));
    this.timer ??= setTimeout(() => ((this.timer = null), this.load()), wait);
  }

  async load() {
    if (!this.session) return;
    const session = this.session;
    const asked = (this.asked = this.window);
    try {
      const told = await call(
        "GET", `sessions/${session}/timeline?start=${Math.max(0, asked[0] - 0.01)}&end=${asked[1] + 0.01}`);
      if (session !== this.session || asked !== this.asked) return; // another stretch was asked for
      this.told = told;
      this.draw();
    } catch (error) {
      $("shown").textContent = `The timeline cannot be read: ${error.message}`;
    }
  }

  draw() {
    const { told } = this;
    drawStrip({ ...told, window: (this.drawn = this.window) });
    this.stretch(...this.drawn);
    const nodes = { 0: [], 1: told.episodes, 2: [...told.days, ...told.episodes] }[told.level];
    const all = [...nodes, ...told.segments].sort((one, other) => one.start - other.start);
    const shown = all.slice(-CARDS).reverse();
    const segments = `${told.count} segment${told.count === 1 ? "" : "s"}`;
    if (told.level) $("shown").textContent = `${told.level === 2 ? "days" : "episodes"}, of ${segments}`;
    else if (told.count > shown.length) $("shown").textContent = `${shown.length} of ${segments}: zoom in to see each`;
    else $("shown").textContent = segments;
    $("cards").replaceChildren(...this.cards.of(shown));
  }

  // The segment, episode or day of that name.
  found(mark) {
    const { segments, episodes, days } = this.told;
    return segments.find((one) => name("segment", one.index) === mark) ??
      episodes.find((one) => name("episode", one.first) === mark) ??
      days.find((one) => name("day", one.first) === mark);
  }

  // Bring a card into view.
  mark(of) {
    const card = document.querySelector(`[data-card="${of}"]`);
    if (!card) return;
    card.scrollIntoView({ block: "nearest" });
    document.querySelector("#cards .found")?.classList.remove("found");
    card.classList.add("found");
    setTimeout(() => card.classList.remove("found"), 1600);
  }

  // Bring the card of a moment into view.
  async reveal(time) {
    const [start, end] = this.window;
    if (time < start || time > end) {
      this.start = Math.max(0, time - this.span / 2);
      this.follow = false;
      $("follow").ariaPressed = "false";
      await this.load();
    }
    const at = (one) => one.start <= time + ROUNDED && time < one.end + ROUNDED;
    const { segments, episodes } = this.told;
    const segment = segments.findLast(at);
    const episode = episodes.findLast(at);
    if (segment) this.mark(name("segment", segment.index));
    else if (episode) this.mark(name("episode", episode.first));
  }
}
