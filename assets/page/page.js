// The page's own part: follows one session's events, and shows them.
import { $, address, call, clock, make, say } from "./common.js";
import { Camera } from "./camera.js";
import { Gaze } from "./gaze.js";
import { Looking } from "./looking.js";
import { Overlay } from "./overlay.js";
import { Past } from "./past.js";
import { Player } from "./player.js";
import { Sessions, disown, remember } from "./sessions.js";
import { Timeline } from "./timeline.js";
import { holdToSpeak, readAloud } from "./voice.js";

const PAINT_EVERY = 100; // milliseconds: what is drawn changes a few times a second

const state = { session: "", source: null, events: null, about: null, figures: null, epoch: null };
const sessions = new Sessions();
let overlay, timeline, gaze, looking;

const ready = new Promise((done) => {
  const look = () => ($("overlay") && $("cards") && $("talk") && $("figures") && $("gazes") && $("kept") ? done() : setTimeout(look, 50));
  look();
}).then(() => {
  gaze = new Gaze({ jump });
  looking = new Looking(() => state.source?.shown ?? null);
  overlay = new Overlay((time) => ({
    looks: gaze.around(time),
    point: looking.at ? { ...looking.at, held: looking.held } : gaze.point(time),
  }));
  timeline = new Timeline({ jump, ask: about, stretch: (start, end) => gaze.stretch(start, end) });
  holdToSpeak(() => state.session);
  document.querySelectorAll("[data-draw]").forEach((button) =>
    button.addEventListener("click", () => (button.ariaPressed = String(button.ariaPressed !== "true"))));
  $("unabout").addEventListener("click", () => about(null));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href*="#t="]');
    if (!link) return;
    event.preventDefault();
    jump(Number(link.getAttribute("href").split("#t=")[1]));
  }, true);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    document.querySelector("#question textarea").focus();
  });
  setInterval(paint, PAINT_EVERY);
});

function paint() {
  if (state.session) {
    const file = state.source instanceof Player && !state.source.pictured;
    overlay.draw(file ? $("player").currentTime : undefined, state.figures?.time);
  }
}

async function attach(session) {
  await ready;
  if (!session) return sessions.load();
  if (session === state.session) return;
  detach();
  state.session = session;
  const here = new URL(location.href);
  here.searchParams.set("session", session);
  history.replaceState(null, "", here);
  document.body.classList.add("watching");
  timeline.attach(session);
  remember(session);
  try {
    const figures = await call("GET", `sessions/${session}`);
    document.body.classList.toggle("past", figures.past);
    if (figures.past) {
      here.searchParams.set("ask", "1"); // a reload does not begin to watch
      history.replaceState(null, "", here);
    }
    gaze.attach(session, figures.gaze === "file");
    looking.attach(session);
    tellFigures(figures);
    follow(session);
    await show(session, figures);
  } catch (error) {
    say(error.message, "wrong");
  }
}

async function show(session, figures) {
  if (figures.playable || (!figures.past && !figures.camera)) {
    state.source = new Player(session, figures);
    return;
  }
  if (figures.past || !figures.watching) {
    state.source = new Past(session);
    return;
  }
  const camera = (state.source = new Camera(session));
  try {
    await camera.start();
  } catch (error) {
    camera.stop();
    const why = error.name === "NotAllowedError" ? "the browser was not allowed to" : error.message;
    say(`The camera cannot be used: ${why}`, "wrong");
  }
}

function detach() {
  state.events?.close();
  state.source?.stop();
  Object.assign(state, { session: "", source: null, events: null, epoch: null, stopped: false, shown: new Set() });
  about(null);
  overlay?.clear();
  timeline?.detach();
  looking?.detach();
  gaze?.detach();
  document.body.classList.remove("watching", "past");
  for (const id of ["questions", "firings"]) $(id)?.replaceChildren();
  if ($("standing")) $("standing").hidden = true;
  if ($("budget")) $("budget").hidden = true;
  document.querySelector("#figures dl")?.replaceChildren();
  const here = new URL(location.href);
  for (const name of ["session", "ask"]) here.searchParams.delete(name);
  history.replaceState(null, "", here);
}

function follow(session) {
  const events = (state.events = new EventSource(address(`sessions/${session}/events`)));
  const on = (name, act) => events.addEventListener(name, ({ data }) => act(JSON.parse(data)));
  const tell = (text, kind) => state.stopped || say(text, kind); // what comes late is not news
  on("event", (what) => {
    overlay.take(what);
    timeline.take(what);
    gaze.take(what);
    if (what.kind === "error") tell(what.text, "wrong");
    if (what.kind === "fault") tell(what.text);
    if (what.kind === "end" && !state.figures?.past && state.source instanceof Camera === false)
      tell(`At the end: ${what.text}. You can still ask.`);
  });
  on("firing", fired);
  on("figures", tellFigures);
  on("closed", () => lost(session));
  events.onerror = () => {
    if (state.session !== session) return;
    tell("The connection is away: trying again ...", "busy");
    state.away = true;
    if (events.readyState === EventSource.CLOSED) lost(session);
  };
  on("hello", ({ epoch, certain_above }) => {
    overlay.certain = timeline.certain = certain_above;
    if (state.away) tell("The connection is back.");
    state.away = false;
    if (state.epoch && state.epoch !== epoch) timeline.attach(session);
    state.epoch = epoch;
  });
}

// The server has closed the session, or was started anew: take it up again.
function lost(session) {
  state.events?.close();
  setTimeout(async () => {
    if (state.session !== session) return;
    try {
      await call("POST", `sessions/${session}/resume?watch=${!state.figures?.past}`);
      follow(session);
      say("The session was taken up again.");
    } catch (error) {
      const full = error.status === 429;
      if (full) say(`Please wait: ${error.message}.`, "busy");
      if (full || error.status === undefined) lost(session); // or the server is away
      else say(error.message, "wrong");
    }
  }, 1000);
}

// Go to a moment; where the stream cannot, or `until` is given, questions are about that.
function jump(time, until = null) {
  timeline.reveal(time);
  const there = state.source?.jump?.(time) ?? false;
  if (until !== null) about(until, false);
  else if (!there) about(time);
}

function about(time, focus = true) {
  state.about = time;
  const chip = $("about");
  if (!chip) return;
  chip.hidden = time === null;
  chip.querySelector("span").textContent = time === null ? "" : `About ${clock(time)}: only what was known by then`;
  if (time !== null && focus) document.querySelector("#question textarea")?.focus();
}

function tellFigures(told) {
  state.figures = told;
  timeline.figures(told);
  looking.allow(told.gaze === "pointer" && told.watching);
  if (!told.watching && state.source instanceof Camera) {
    state.source.stop();
    state.source = new Past(state.session);
  }
  const rate = (value) => (value == null ? "–" : `${Math.round(value * 10) / 10} / s`);
  const last = told.last_answer;
  const faults = Object.entries(told.faults);
  const rows = {
    Watched: clock(told.time) + (told.duration ? ` of ${clock(told.duration)}` : ""),
    "Behind": `${told.lag.toFixed(1)} s`,
    ...(told.wordless >= 1 ? { "Words behind": `${told.wordless.toFixed(1)} s` } : {}),
    "Source": rate(told.source_fps),
    "Looked at": rate(told.sampled_fps),
    "Dropped": told.dropped,
    ...(told.quality === "full" ? {} : { "Looking": told.quality }),
    ...(faults.length ? { "Failures": faults.map(([part, count]) => `${part} ${count}`).join(", ") } : {}),
    ...(told.unwritten || told.lost ? { "Not on disk": `${told.unwritten} held, ${told.lost} lost` } : {}),
    "Memory": `${Math.round(told.memory_bytes / 2 ** 20)} MB`,
    "First token": last ? `${last.first_token.toFixed(1)} s` : "–",
    "Speed": last?.tokens_per_second ? `${last.tokens_per_second.toFixed(0)} tokens/s` : "–",
  };
  document.querySelector("#figures dl").replaceChildren(
    ...Object.entries(rows).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
  const share = told.context_limit ? told.context / told.context_limit : 0;
  $("budget").hidden = false;
  const meter = document.querySelector("#budget [role=meter]");
  meter.ariaValueNow = share.toFixed(3);
  meter.firstElementChild.style.width = `${100 * share}%`;
  document.querySelector("#budget p").textContent =
    `${told.context} of ${told.context_limit} tokens in the running context` +
    (last ? `; the last answer: ${last.fast} fast, ${last.slow} slow, ${last.text} text` : "");
  tellStanding(told.standing);
}

function tellStanding({ questions, firings }) {
  $("standing").hidden = !questions.length && !firings.length;
  const rows = questions.map(({ number, question }) =>
    make("li", {}, question,
      make("button", {
        type: "button", class: "link", "aria-label": `Wait no longer: ${question}`,
        onclick: () => call("DELETE", `sessions/${state.session}/standing/${number}`).catch((e) => say(e.message, "wrong")),
      }, "✕")));
  const list = $("questions");
  if (list.dataset.told !== JSON.stringify(questions)) list.replaceChildren(...rows);
  list.dataset.told = JSON.stringify(questions);
  firings.forEach(showFiring);
}

function showFiring(firing) {
  const key = `${firing.number} ${firing.time}`;
  if (state.shown.has(key)) return false;
  state.shown.add(key);
  $("firings").prepend(
    make("li", {}, make("a", { href: `#t=${firing.time}` }, clock(firing.time)), ` ${firing.question}`,
      firing.because ? make("q", {}, firing.because) : null));
  $("standing").hidden = false;
  return true;
}

function fired(firing) {
  if (!showFiring(firing)) return;
  if (window.Notification?.permission === "granted")
    new Notification(`Onlooker, ${clock(firing.time)}`, { body: firing.because || firing.question });
}

addEventListener("pagehide", () => state.source instanceof Camera && state.source.stop());

window.onlooker = {
  attach: (session) => void attach(session),
  detach: () => detach(),
  stopping: () => {
    state.stopped = true;
    if (state.source instanceof Camera) state.source.stop();
  },
  figures: () => state.figures ?? {},
  moment: () => {
    const at = state.about;
    about(null);
    return at === null ? "" : String(at);
  },
  mayNotify: () => void (window.Notification?.permission === "default" && Notification.requestPermission()),
  answered: () => {
    const said = [...document.querySelectorAll("#chat .bot .prose, #chat .message.bot")].at(-1);
    if (said) readAloud(said.querySelector("p")?.textContent ?? "");
  },
  sure: () => {
    const sure = confirm("Delete this session and all that was seen in it?");
    if (sure) disown(state.session);
    return sure;
  },
};
