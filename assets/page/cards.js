// The cards of the timeline: segments from near, episodes and days from far.
import { address, clock, make } from "./common.js";
import { name } from "./strip.js";

const LINES = 8;
const WORDS = { heard: "heard", read: "read", seen: "seen", gaze: "looked at", gap: "gap" };

export const kindOf = (kind) => make("span", { class: `kind ${kind}` }, WORDS[kind] ?? kind);

const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

// Of a session, with what the buttons do: go(start), ask(end), closer(node).
export class Cards {
  constructor(session, { go, ask, closer }) {
    Object.assign(this, { session, go, ask, closer });
    this.made = new Map();
  }

  // A card for each, those that are shown already as they are.
  of(all) {
    const cards = all.map((one) => (one.first === undefined ? this.segment(one) : this.node(one)));
    this.made = new Map(cards.map((card) => [card.dataset.key, card]));
    return cards;
  }

  segment(one) {
    const lines = one.lines.filter((line) => line.certain).slice(0, LINES);
    return this.card(one, name("segment", one.index), one.index, `${lines.length}`,
      () => lines.map((line) => make("p", {}, kindOf(line.kind), ` ${line.text}`)));
  }

  node(one) {
    const kind = one.level === 2 ? "day" : "episode";
    const held = [
      many(one.segments, "segment"),
      one.utterances && `${one.utterances} heard`,
      one.texts && `${one.texts} read`,
      one.fixations && `${one.fixations} looked at`,
    ].filter(Boolean).join(", ");
    return this.card(one, name(kind, one.first), one.picture, `${one.last} ${held}`,
      () => [make("p", { class: "held" }, `${held} `,
        make("button", {
          type: "button", class: "link", onclick: () => this.closer(one),
          "aria-label": `Look closer: ${clock(one.start)} to ${clock(one.end)}`,
        }, "Look closer"))]);
  }

  // `version` tells apart what one card showed at different times.
  card(one, mark, picture, version, content) {
    const key = `${mark} ${version} ${one.note ?? ""}`;
    if (this.made.has(key)) return this.made.get(key);
    const [from, to] = [clock(one.start), clock(one.end)];
    return make("li", { "data-card": mark, "data-key": key },
      picture == null ? null : make("img", {
        src: address(`sessions/${this.session}/thumbnails/${picture}.jpg`),
        alt: "", loading: "lazy", onerror: (event) => event.target.remove(),
      }),
      make("div", {},
        make("div", { class: "when" },
          make("button", {
            type: "button", class: "link", onclick: () => this.go(one.start), "aria-label": `${from} – ${to}: go there`,
          }, `${from} – ${to}`),
          make("button", {
            type: "button", class: "link quiet", onclick: () => this.ask(one.end),
            "aria-label": `Ask about this: ${from} to ${to}`,
          }, "Ask about this")),
        one.note ? make("p", { class: "note" }, one.note) : null,
        ...content()));
  }
}
