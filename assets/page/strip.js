// The strip of the timeline: lanes of marks, the coarser above, and where the source was away.
import { $, clock, make } from "./common.js";

// What a mark is called by: its kind and the index of its first segment.
export const name = (kind, index) => `${kind} ${index}`;

const heard = (segment) => segment.lines.some((line) => line.kind === "heard");

export function drawStrip({ window: [start, end], days, episodes, segments, gaps }) {
  const percent = (time) => Math.max(0, Math.min(100, (100 * (time - start)) / (end - start)));
  const mark = (of, kind, index, text, css = "") =>
    make("span", {
      class: `mark ${css}`,
      "data-mark": name(kind, index),
      title: `${clock(of.start)} to ${clock(of.end)}${text ? `: ${text}` : ""}`,
      style: `left: ${percent(of.start)}%; width: ${percent(of.end) - percent(of.start)}%`,
    }, kind === "segment" ? "" : text);
  const lane = (kind, marks) => (marks.length ? make("div", { class: `lane ${kind}` }, ...marks) : null);
  const step = (end - start) / 4;
  $("strip").replaceChildren(...[
    lane("day", days.map((day) => mark(day, "day", day.first, day.note))),
    lane("episode", episodes.map((one) => mark(one, "episode", one.first, one.note))),
    lane("segment", segments.map((one) =>
      mark(one, "segment", one.index, one.note, heard(one) ? "heard" : ""))),
    gaps.length ? make("div", { class: "lane away" }, ...gaps.map((gap) =>
      make("span", {
        class: "gap",
        title: `${clock(gap.start)} to ${clock(gap.end)}: ${gap.reason}`,
        style: `left: ${percent(gap.start)}%; width: ${percent(gap.end) - percent(gap.start)}%`,
      }))) : null,
    make("div", { class: "ticks" }, ...[0, 1, 2, 3].map((i) =>
      make("span", { class: "tick", style: `left: ${25 * i}%` }, clock(start + i * step)))),
    make("span", { class: "at" }),
  ].filter(Boolean));
}

// Show where the stream is played, or what has been watched so far.
export function drawPlace(time, [start, end]) {
  const at = $("strip").querySelector(".at");
  if (at) at.style.left = `${(100 * (time - start)) / (end - start)}%`;
}
