// What every part of the page uses.

export const $ = (id) => document.getElementById(id);

export const address = (path) => new URL(path, document.baseURI).href;

export function clock(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const minutes = Math.floor(tenths / 600);
  const two = (n) => String(n).padStart(2, "0");
  if (minutes >= 1440) return `${Math.floor(minutes / 1440)} d ${clock((tenths % 864000) / 10)}`;
  if (minutes >= 60) return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(Math.floor((tenths % 600) / 10))}`;
  return `${minutes}:${two(Math.floor((tenths % 600) / 10))}.${tenths % 10}`;
}

// Build an element: make("a", {href: "#"}, "text", child).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export async function call(method, path, body) {
  const reply = await fetch(address(path), {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = reply.status === 204 ? null : await reply.json().catch(() => null);
  if (!reply.ok) throw Object.assign(new Error(told?.detail ?? reply.statusText), { status: reply.status });
  return told;
}

// A message in the page's status line.
export function say(text, kind = "") {
  const line = document.querySelector("#status .status");
  if (!line) return;
  line.textContent = text;
  line.className = `status ${kind}`;
}

// Put text into a Gradio text box as if it were typed.
export function type(id, text) {
  const box = document.querySelector(`#${id} textarea, #${id} input`);
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, text);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}
