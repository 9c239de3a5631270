// Look with your mouse: where the pointer, or a finger, is on the picture, sent as gaze with the
// stream time of the picture that was shown.
import { $, call, say } from "./common.js";
import { pictured } from "./overlay.js";

const SAMPLE_EVERY = 33; // milliseconds
const SEND_EVERY = 200;
const MOST = 900; // samples kept while the connection is away: half a minute
const STEADY = 0.04; // of the picture: a held pointer is steady within it
const CONTROLS = 76; // pixels at the bottom that are the player's own to press

export class Looking {
  // shown(): stream time of the picture that is shown, or null where it stands still.
  constructor(shown) {
    this.shown = shown;
    this.id = Math.random().toString(36).slice(2);
    this.number = 0;
    this.session = "";
    this.samples = [];
    this.on = false;
    this.at = null; // where it is, normalised, or null
    this.held = false;
    const screen = $("screen");
    const on = (names, act) =>
      names.split(" ").forEach((name) => screen.addEventListener(name, (event) => this.on && event.isPrimary && act(event)));
    on("pointermove pointerdown", (event) => this.move(event));
    on("pointerdown", (event) => {
      if (event.button !== 0 || this.belongs(event)) return;
      this.held = true;
      this.at = place(event);
      event.preventDefault();
    });
    on("pointerup pointercancel", () => (this.held = false));
    on("pointerleave pointercancel", () => ((this.at = null), (this.held = false)));
    // A press that fixes on a point does not pause the player too.
    for (const name of ["click", "dblclick"])
      screen.addEventListener(name, (event) => this.on && !this.belongs(event) && event.preventDefault(), true);
    screen.addEventListener("contextmenu", (event) => this.on && event.preventDefault());
    document.addEventListener("visibilitychange", () => document.hidden && (this.at = null));
    $("looking").addEventListener("change", () => this.set($("looking").checked));
  }

  attach(session) {
    this.session = session;
    this.samples = [];
  }

  // Whether looks are taken now: not where they come from a file, nor when watching is over.
  allow(possible) {
    $("look").hidden = !possible;
    if (!possible) this.set(false);
  }

  detach() {
    this.set(false);
    this.session = "";
  }

  set(on) {
    if (this.on === on) return;
    this.on = $("looking").checked = on;
    this.at = null;
    this.held = false;
    $("screen").classList.toggle("looked", on);
    clearInterval(this.timer);
    if (!on) return this.sample();
    this.timer = setInterval(() => this.sample(), SAMPLE_EVERY);
    this.send(this.session);
  }

  // The press is for the player's own controls.
  belongs(event) {
    const box = $("screen").getBoundingClientRect();
    const { hidden, controls } = $("player");
    return !hidden && controls && event.clientY > box.bottom - CONTROLS;
  }

  move(event) {
    const to = place(event);
    const steady = this.held && this.at && to && Math.hypot(to.x - this.at.x, to.y - this.at.y) < STEADY;
    if (!steady) this.at = to;
  }

  sample() {
    const time = this.shown();
    if (time === null || (!this.at && this.away)) return; // what stands still is not looked at on
    this.away = !this.at;
    this.samples.push([time, this.at?.x ?? null, this.at?.y ?? null]);
    if (this.samples.length > MOST) this.samples.shift();
  }

  // In order, one batch at a time: what was not answered is sent again under its number.
  async send(session) {
    if (this.sending === session) return;
    this.sending = session;
    let batch = null;
    while (this.session === session && (this.on || this.samples.length || batch)) {
      await new Promise((done) => setTimeout(done, SEND_EVERY));
      if (!batch && this.samples.length)
        batch = { sender: this.id, number: this.number++, samples: this.samples.splice(0) };
      if (!batch) continue;
      try {
        await call("POST", `sessions/${session}/gaze`, batch);
        batch = null;
      } catch (error) {
        if (error.status === 400 || error.status === 422) {
          say(error.message, "wrong");
          batch = null;
          this.set(false);
        } else await new Promise((done) => setTimeout(done, 1000)); // the page tells that it is away
      }
    }
    if (this.sending === session) this.sending = null;
  }
}

// Of an event, in the picture as it is shown; null beside it.
function place({ clientX, clientY }) {
  const picture = pictured();
  if (!picture) return null;
  const box = $("screen").getBoundingClientRect();
  const x = (clientX - box.left - picture.left) / picture.width;
  const y = (clientY - box.top - picture.top) / picture.height;
  return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x, y } : null;
}
