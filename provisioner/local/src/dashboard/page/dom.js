// Small helpers: elements, words for numbers, and requests.

/** An element. Attributes whose value is a function are listeners; `null` and `false` leave one out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  const there = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...there.map((child) => (child instanceof Node ? child : shown(child))));
  return element;
}

/** Text from outside. Characters that change the order of the words around them, or that have no form, become escapes. */
export function shown(text) {
  const acts = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
  return String(text).replace(acts, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Takes over new elements and keeps those that are the same, so that focus and selection stay. */
export function fill(parent, ...children) {
  const wanted = children.flat().filter(Boolean);
  wanted.forEach((child, index) => {
    const there = parent.children[index];
    if (!there) parent.append(child);
    else patch(there, child);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

function patch(there, wanted) {
  if (there.isEqualNode(wanted)) return;
  const same = there.nodeName === wanted.nodeName && there.dataset.key === wanted.dataset.key;
  // Nothing in here has listeners of its own: the document has one, and buttons say in `data-do` what they do.
  if (!same) return there.replaceWith(wanted);
  // An element that somebody has opened stays open.
  for (const { name } of [...there.attributes]) if (name !== "open" && !wanted.hasAttribute(name)) there.removeAttribute(name);
  for (const { name, value } of [...wanted.attributes]) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  const before = [...there.childNodes];
  const after = [...wanted.childNodes];
  after.forEach((child, index) => {
    const old = before[index];
    if (!old) there.append(child);
    else if (old.nodeType === Node.TEXT_NODE && child.nodeType === Node.TEXT_NODE) {
      if (old.data !== child.data) old.data = child.data;
    } else if (old.nodeType === Node.ELEMENT_NODE && child.nodeType === Node.ELEMENT_NODE) patch(old, child);
    else old.replaceWith(child);
  });
  before.slice(after.length).forEach((child) => child.remove());
}

export const $ = (id) => document.getElementById(id);

const token = location.pathname.split("/")[1];

/** Asks for data. Throws an `Error` whose message is for people. */
export function look(path, query = {}) {
  return ask("GET", path, query, {});
}

/** Sends a request that changes something, or gives a secret away. It needs the token once more. */
export function act(method, path, query) {
  return ask(method, path, query, { "x-provision-token": token });
}

async function ask(method, path, query, headers) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== "" && one !== null && one !== undefined) search.append(key, one);
  }
  const answer = await fetch(`api/${path}?${search}`, { method, headers, cache: "no-store" });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

let hiding;

export function toast(text, bad = false) {
  const element = $("toast");
  element.textContent = shown(text);
  element.classList.toggle("bad", bad);
  element.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => element.classList.remove("shown"), bad ? 6000 : 2500);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Some browsers have no clipboard, and none gives it to a page without focus.
    const area = h("textarea", { class: "off-screen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (!copied) return toast("The browser does not allow copying", true);
  }
  toast(`Copied: ${what}`);
}

export function memory(kib) {
  if (kib === null || kib === undefined) return "–";
  return kib < 10240 ? `${(kib / 1024).toFixed(1)} MiB` : `${Math.round(kib / 1024)} MiB`;
}

export function since(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86400)];
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${days} days`;
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

const clockOf = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayOf = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export const clock = (at) => clockOf.format(at);
export const millis = (at) => `${clockOf.format(at)}.${String(at % 1000).padStart(3, "0")}`;
export const day = (at) => dayOf.format(at);

const words = {
  waiting: "waiting", starting: "starting", ready: "ready", paused: "paused", stopping: "stopping",
  back_off: "starting again", failed: "failed", gone: "not running",
};

export const stateWord = (state) => words[state] ?? state;

/** The dot has a form of its own for each state, for those who see no colours. */
export function dot(state) {
  return h("span", { class: `dot ${state}`, title: stateWord(state) }, h("span", { class: "off-screen" }, stateWord(state)));
}
