// The timeline: a strip that is zoomed from seconds to days, and the segments in it as cards.
import { $, address, call, clock, make } from "./common.js";

const SPANS = [10, 30, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400];
const CARDS = 60;
const WORDS = { heard: "heard", read: "read", seen: "seen", gaze: "looked at", gap: "gap" };
const TELLING = { speech: "heard", text: "read", object: "seen", gaze: "gaze", gap: "gap" };

export class Timeline {
  constructor({ jump, ask }) {
    this.jump = jump;
    this.askAbout = ask;
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
      const mark = event.target.closest("[data-index]");
      if (mark) this.open(Number(mark.dataset.index), true);
    });
  }

  attach(session) {
    this.session = session;
    this.segments = new Map();
    this.now = 0;
    this.duration = null;
    this.said = [];
    this.span = 60;
    this.chosen = false; // the visitor has not set the span yet
    this.count = 0;
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
    const [start, end] = this.window;
    const mark = $("strip").querySelector(".at");
    const at = told.position ?? told.time;
    if (mark) mark.style.left = `${(100 * (at - start)) / (end - start)}%`;
    if (this.follow && this.drawn && this.drawn[1] < end - this.span / 50) this.draw();
  }

  tell() {
    $("now").replaceChildren(
      ...this.said.slice(-4).map((line) =>
        make("li", {}, make("time", {}, clock(line.time)), " ",
          make("span", { class: `kind ${line.kind}` }, WORDS[line.kind]), ` ${line.text}`)),
    );
  }

  soon() {
    this.timer ??= setTimeout(() => ((this.timer = null), this.load()), 250);
  }

  async load() {
    if (!this.session) return;
    const session = this.session;
    const [start, end] = this.window;
    try {
      const told = await call(
        "GET", `sessions/${session}/timeline?start=${Math.max(0, start - 0.01)}&end=${end + 0.01}`);
      if (session !== this.session) return;
      this.segments = new Map(told.segments.map((segment) => [segment.index, segment]));
      this.count = told.count;
      this.draw();
    } catch (error) {
      $("shown").textContent = `The timeline cannot be read: ${error.message}`;
    }
  }

  draw() {
    const [start, end] = (this.drawn = this.window);
    const percent = (time) => `${(100 * (time - start)) / (end - start)}%`;
    const all = [...this.segments.values()];
    const marks = all.map((segment) =>
      make("span", {
        class: `mark ${segment.lines.some((line) => line.kind === "heard") ? "heard" : ""}`,
        "data-index": segment.index,
        title: `${clock(segment.start)} to ${clock(segment.end)}`,
        style: `left: ${percent(segment.start)}; width: calc(${percent(segment.end)} - ${percent(segment.start)})`,
      }));
    const step = (end - start) / 4;
    const ticks = [0, 1, 2, 3].map((i) =>
      make("span", { class: "tick", style: `left: ${25 * i}%` }, clock(start + i * step)));
    $("strip").replaceChildren(...marks, ...ticks, make("span", { class: "at" }));
    const shown = all.slice(-CARDS);
    $("shown").textContent = this.count > shown.length
      ? `${shown.length} of ${this.count} segments: zoom in to see each`
      : `${this.count} segment${this.count === 1 ? "" : "s"}`;
    const kept = new Map([...$("cards").children].map((card) => [card.dataset.key, card]));
    $("cards").replaceChildren(
      ...shown.reverse().map((segment) => {
        const key = `${this.session} ${segment.index} ${segment.lines.length} ${segment.note ?? ""}`;
        return kept.get(key) ?? this.card(segment, key);
      }));
  }

  card(segment, key) {
    const picture = make("img", {
      src: address(`sessions/${this.session}/thumbnails/${segment.index}.jpg`),
      alt: "", loading: "lazy", onerror: (event) => event.target.remove(),
    });
    const lines = segment.lines.filter((line) => line.certain).slice(0, 8);
    return make("li", { "data-key": key, "data-card": segment.index },
      picture,
      make("div", {},
        make("div", { class: "when" },
          make("button", {
            type: "button", class: "link", onclick: () => this.jump(segment.start, segment),
            "aria-label": `${clock(segment.start)} – ${clock(segment.end)}: go there`,
          }, `${clock(segment.start)} – ${clock(segment.end)}`),
          make("button", {
            type: "button", class: "link quiet", onclick: () => this.askAbout(segment.end),
            "aria-label": `Ask about this: ${clock(segment.start)} to ${clock(segment.end)}`,
          }, "Ask about this")),
        segment.note ? make("p", { class: "note" }, segment.note) : null,
        ...lines.map((line) => make("p", {},
          make("span", { class: `kind ${line.kind}` }, WORDS[line.kind] ?? line.kind), ` ${line.text}`))));
  }

  // Bring the card of a segment, or of a moment, into view.
  open(index, jump = false) {
    const segment = this.segments.get(index);
    const card = document.querySelector(`[data-card="${index}"]`);
    if (!card || !segment) return;
    card.scrollIntoView({ block: "nearest" });
    card.classList.add("found");
    setTimeout(() => card.classList.remove("found"), 1600);
    if (jump) this.jump(segment.start, segment);
  }

  async reveal(time) {
    const [start, end] = this.window;
    if (time < start || time > end) {
      this.start = Math.max(0, time - this.span / 2);
      this.follow = false;
      $("follow").ariaPressed = "false";
      await this.load();
    }
    const found = [...this.segments.values()].find((one) => one.start <= time && time < one.end + 0.01);
    if (found) this.open(found.index);
  }
}
