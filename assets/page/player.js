// Plays the file that is watched, and tells the server where it is. What the browser cannot play
// is shown as the pictures the server reads, at the server's pace.
import { $, address, call, say } from "./common.js";

const TELL_EVERY = 1000;
const PICTURE_EVERY = 400;
const PICTURE_LASTS = 2; // seconds after which a picture stands still

export class Player {
  constructor(session, figures) {
    this.session = session;
    this.video = $("player");
    this.stopped = new AbortController();
    this.pictured = figures.live;
    this.told = 0;
    this.sent = Promise.resolve();
    if (figures.live) this.picture();
    else this.load(figures);
  }

  load(figures) {
    const { video } = this;
    const position = figures.position ?? 0;
    const { signal } = this.stopped;
    const on = (names, tell) =>
      names.split(" ").forEach((name) => video.addEventListener(name, tell, { signal }));
    on("play playing pause seeked waiting", () => this.tell());
    // The last moments of sound may lie past the last picture.
    on("ended", () => this.tell(video.duration + 5, true));
    on("error", () => this.unplayable());
    on("loadedmetadata", () => {
      if (position > 0.5 && position < video.duration - 0.5) video.currentTime = position;
      if (!video.videoWidth && !video.duration) this.unplayable();
    });
    video.src = address(`sessions/${this.session}/media`);
    this.timer = setInterval(() => !video.paused && this.tell(), TELL_EVERY);
    if (figures.past) return; // to be looked at, where the visitor wants to
    video.play().catch((error) => {
      if (error.name !== "NotAllowedError") return;
      say("Press play to begin: the browser wants a touch first.");
    });
  }

  tell(position = this.video.currentTime, playing = this.running) {
    if (!this.pictured) this.put({ position, playing }); // else the server plays it
  }

  // One after the other: a pause that arrived late would undo what came after it.
  put(playhead) {
    const path = `sessions/${this.session}/playhead`;
    this.sent = this.sent.then(() => call("POST", path, playhead).catch(() => {}));
  }

  get running() {
    return !this.video.paused && !this.video.ended && this.video.readyState > 2;
  }

  unplayable() {
    if (this.pictured || this.stopped.signal.aborted) return;
    this.pictured = true;
    clearInterval(this.timer);
    say("The browser cannot play this file: its pictures are shown as they are read.");
    this.picture();
    const pause = $("unpaced");
    pause.hidden = false;
    let playing = true;
    const set = () => {
      pause.textContent = playing ? "Pause" : "Go on";
      this.put({ playing });
    };
    pause.addEventListener("click", () => ((playing = !playing), set()), {
      signal: this.stopped.signal,
    });
    set();
  }

  picture() {
    this.video.hidden = true;
    const image = $("pictures");
    image.hidden = false;
    const { signal } = this.stopped;
    const next = async () => {
      if (signal.aborted) return;
      try {
        const reply = await fetch(address(`sessions/${this.session}/picture.jpg`), { signal });
        const time = Number(reply.headers.get("X-Stream-Time"));
        if (reply.status === 200 && time !== this.latest) {
          const data = URL.createObjectURL(await reply.blob());
          image.src = data;
          await image.decode().finally(() => URL.revokeObjectURL(data));
          Object.assign(this, { latest: time, since: performance.now() });
        }
      } catch {
        // The next one may come.
      }
      setTimeout(next, PICTURE_EVERY);
    };
    next();
  }

  // Stream time of the picture that is shown; null where it stands still or is not known.
  get shown() {
    if (!this.pictured) return this.running && !this.video.seeking ? this.video.currentTime : null;
    const passed = (performance.now() - this.since) / 1000;
    if (!this.since || passed > PICTURE_LASTS) return null;
    return (this.told = Math.max(this.told, this.latest + passed)); // a late picture is no winding back
  }

  // Show the moment at stream time; false where the stream cannot go back.
  jump(time) {
    if (this.pictured) return false;
    this.video.currentTime = time;
    return true;
  }

  stop() {
    this.stopped.abort();
    clearInterval(this.timer);
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.hidden = false;
    $("pictures").hidden = true;
    $("pictures").removeAttribute("src");
    $("unpaced").hidden = true;
  }
}
