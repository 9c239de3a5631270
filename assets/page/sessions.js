// The visitor's earlier sessions: kept by their ids in this browser, listed, opened, taken home,
// deleted. Who sits at the server's own machine sees all there are.
import { $, address, call, clock, make, say } from "./common.js";

const KEY = "onlooker.sessions";
const MOST = 100;

const mine = () => {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
};

const keep = (ids) => {
  try {
    localStorage.setItem(KEY, JSON.stringify(ids.slice(0, MOST)));
  } catch {
    // Without storage the list is empty; the address still names the session.
  }
};

export const remember = (id) => keep([id, ...mine().filter((one) => one !== id)]);

export const disown = (id) => keep(mine().filter((one) => one !== id));

const size = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

const when = (date) =>
  date.toLocaleString([], {
    year: date.getFullYear() === new Date().getFullYear() ? undefined : "numeric",
    month: "short", day: "numeric", hour: "numeric", minute: "2-digit",
  });

// Where a session is taken up: watched on, or only asked about.
const link = (id, watch) => {
  const there = new URL(location.href);
  there.searchParams.set("session", id);
  if (watch) there.searchParams.delete("ask");
  else there.searchParams.set("ask", "1");
  return there.href;
};

export class Sessions {
  async load() {
    let told;
    try {
      told = await call("POST", "sessions/list", { ids: mine() });
    } catch (error) {
      $("sessions").hidden = false;
      $("kept").replaceChildren(make("li", {}, `The earlier sessions cannot be listed: ${error.message}`));
      return;
    }
    if (!told.all) keep(told.sessions.map((session) => session.id));
    const days = told.keep_days;
    $("keeping").textContent = days == null ? "" : `Each is kept for ${days} day${days === 1 ? "" : "s"} after it was last used.`;
    $("sessions").hidden = !told.sessions.length;
    $("kept").replaceChildren(...told.sessions.map((session) => this.row(session)));
  }

  row(one) {
    const about = one.problem || [
      when(new Date(1000 * one.used)),
      `${clock(one.end)} watched`,
      `${one.questions} question${one.questions === 1 ? "" : "s"}`,
      size(one.bytes),
    ].join(" · ");
    const name = one.name || "session";
    const called = `${name}, ${about.split(" · ")[0]}`;
    const row = make("li", { "data-session": one.id },
      make("div", {}, make("strong", {}, name), one.open ? " (open)" : "", make("p", {}, about)),
      one.problem ? null : make("a", { href: link(one.id, false), "aria-label": `Ask about ${called}` }, "Ask about it"),
      one.problem ? null : make("a", { href: link(one.id, true), "aria-label": `Watch on: ${called}` }, "Watch on"),
      one.problem ? null : make("a", {
        href: address(`sessions/${one.id}/export.zip`), download: "", "aria-label": `Export ${called}`,
      }, "Export"),
      make("button", {
        type: "button", class: "link", onclick: () => this.remove(one, row), "aria-label": `Delete ${called}`,
      }, "Delete"));
    return row;
  }

  async remove(one, row) {
    if (!confirm(`Delete ${one.name || "this session"} and all that was seen in it?`)) return;
    try {
      await call("DELETE", `sessions/${one.id}?forget=true`);
    } catch (error) {
      return say(`It was not deleted: ${error.message}`, "wrong");
    }
    disown(one.id);
    row.remove();
    $("sessions").hidden = !$("kept").children.length;
    say(`Deleted: nothing of ${one.name || "it"} is kept.`);
  }
}
