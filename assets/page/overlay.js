// What is being seen, drawn on the picture: text boxes, faces, labels with confidence, gaze.
import { $ } from "./common.js";

const LASTS = 3; // seconds that a look or a label is shown
const TEXT_LASTS = 15;

// Where the picture lies in its frame, in CSS pixels; null before there is one.
export function pictured() {
  const shown = $("player").hidden ? $("pictures") : $("player");
  const wide = shown.videoWidth || shown.naturalWidth;
  const high = shown.videoHeight || shown.naturalHeight;
  if (!wide || !high) return null;
  const { clientWidth, clientHeight } = $("overlay");
  const fit = Math.min(clientWidth / wide, clientHeight / high);
  const [width, height] = [wide * fit, high * fit];
  return { left: (clientWidth - width) / 2, top: (clientHeight - height) / 2, width, height };
}

export class Overlay {
  // looks(time): { looks, point } that are to be drawn at stream time.
  constructor(looks) {
    this.looks = looks;
    this.canvas = $("overlay");
    this.certain = 0.5; // confidence from which a label is taken as fact
    this.clear();
  }

  clear() {
    this.seen = { text: [], faces: [], labels: [] };
    this.latest = 0;
    this.draw(0);
  }

  take(what) {
    const { seen } = this;
    const time = what.time ?? what.start;
    const add = (kind, item) => {
      seen[kind] = seen[kind].filter((one) => one.time > time - 20);
      seen[kind].push({ ...item, time });
    };
    if (what.kind === "text") add("text", { box: what.box, text: what.text, sure: what.confidence });
    if (what.kind === "object") add("labels", { box: what.box, text: what.label, sure: what.confidence });
    if (what.kind === "look") add("faces", { boxes: what.faces });
    if (what.kind === "scene") seen.text = seen.text.filter((one) => one.time >= time);
    if (time !== undefined) this.latest = Math.max(this.latest, time);
  }

  // Draw what was seen at stream time; without one, what was seen last. Where watching is behind
  // what is played, old text is no longer drawn: the picture may have changed.
  draw(time, watched = Infinity) {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = canvas;
    if (canvas.width !== Math.round(clientWidth * scale)) canvas.width = Math.round(clientWidth * scale);
    if (canvas.height !== Math.round(clientHeight * scale)) canvas.height = Math.round(clientHeight * scale);
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const picture = pictured();
    if (!picture) return;
    const [left, top, width, height] = ["left", "top", "width", "height"].map((side) => picture[side] * scale);
    const place = ([l, t, r, b]) => [left + l * width, top + t * height, (r - l) * width, (b - t) * height];
    const now = time ?? this.latest;
    const fresh = (kind, lasts) => {
      const past = this.seen[kind].filter((one) => one.time <= now + 0.3 && one.time > now - lasts);
      const last = past.at(-1)?.time;
      return past.filter((one) => one.time > last - 0.05);
    };
    const shown = (kind) => document.querySelector(`[data-draw=${kind}]`)?.ariaPressed === "true";
    pen.lineWidth = 2 * scale;
    pen.font = `600 ${13 * scale}px system-ui, sans-serif`;
    // A tag covers no text that is in the picture; then it is left out.
    const texts = shown("text") ? fresh("text", now - watched > 1.5 ? 1.5 : TEXT_LASTS) : [];
    const tag = (text, x, y, own) => {
      const wide = pen.measureText(text).width + 10 * scale;
      const high = 20 * scale;
      const covers = texts.some((one) => {
        if (one === own) return false;
        const [l, t, w, h] = place(one.box);
        return x < l + w && l < x + wide && y < t + h && t < y + high;
      });
      if (covers) return;
      x = Math.max(0, Math.min(x, canvas.width - wide));
      y = Math.max(0, Math.min(y, canvas.height - high));
      pen.fillStyle = "rgba(12, 20, 20, 0.82)";
      pen.fillRect(x, y, wide, high);
      pen.fillStyle = "#fff";
      pen.fillText(text, x + 5 * scale, y + 14.5 * scale);
    };
    const box = (at, colour, text, own) => {
      const [x, y, w, h] = place(at);
      pen.strokeStyle = colour;
      pen.strokeRect(x, y, w, h);
      if (text) tag(text, x - pen.lineWidth / 2, y - 21 * scale < 0 ? y : y - 21 * scale, own);
    };
    for (const one of texts) box(one.box, "#2dd4bf", one.text, one);
    if (shown("faces"))
      for (const one of fresh("faces", LASTS)) for (const face of one.boxes) box(face, "#fbbf24", "face");
    if (shown("labels")) {
      let row = 0;
      for (const one of fresh("labels", LASTS)) {
        const doubt = one.sure < this.certain ? "perhaps " : "";
        const text = `${doubt}${one.text} ${Math.round(one.sure * 100)}%`;
        if (one.box) box(one.box, "#a5b4fc", text);
        else tag(text, left + 8 * scale, top + (8 + 24 * row++) * scale);
      }
    }
    if (shown("gaze")) {
      const { looks, point } = this.looks(now);
      const circle = (at, radius) => {
        const [x, y] = place([at.x, at.y, at.x, at.y]);
        pen.beginPath();
        pen.arc(x, y, radius * scale, 0, 7);
        return [x, y];
      };
      pen.strokeStyle = pen.fillStyle = "#f472b6";
      for (const look of looks) {
        pen.globalAlpha = look.ago > 0.75 ? 0.5 : 1;
        const radius = Math.min(34, 14 + 6 * (look.end - look.start));
        const [x, y] = circle(look, radius);
        pen.stroke();
        if (look.target) tag(look.target, x + 0.8 * radius * scale, y + 0.5 * radius * scale);
        pen.globalAlpha = 1;
      }
      if (point) {
        pen.fillStyle = "#f472b6";
        circle(point, 5);
        pen.fill();
        if (point.held) (circle(point, 10), pen.stroke());
      }
    }
  }
}
