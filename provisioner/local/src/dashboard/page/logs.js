// Lines of all parts, searched by the server, and live.

import { $, count, h, look, millis, toast } from "./dom.js";

const MOST = 2000;
const IDS = new Set(["trace_id", "request_id"]);
const PLAIN = new Set(["timestamp", "level", "event", "service", "message"]);

let order = [];
let chosen = new Set();
let id = "";
let cursor = null;
let timer = null;
let asked = 0;
/** The search whose earlier lines are being asked for. */
let before = null;
let lines = [];

export function known(parts) {
  const root = $("log-parts");
  const there = [...root.children].map((chip) => chip.dataset.part);
  if (there.join() === parts.join()) return;
  order = parts;
  root.replaceChildren(...parts.map((part) => h("button", {
    type: "button", class: `chip ${tint(part)}`, "data-part": part, "aria-pressed": String(chosen.has(part)),
    click: () => {
      chosen.has(part) ? chosen.delete(part) : chosen.add(part);
      press();
      search();
    },
  }, part)));
  // The order of the parts decides their colours.
  $("log-lines").replaceChildren(...lines.map(row));
  bottom();
}

export function enter(query) {
  const parts = query.getAll("part");
  if (parts.length > 0 || query.has("id")) {
    chosen = new Set(parts);
    id = query.get("id") ?? "";
    if (id) $("log-text").value = "";
    press();
  } else if (id) {
    id = "";
  }
  search();
  timer ??= setInterval(() => !document.hidden && $("log-live").checked && more(), 1000);
}

export function leave() {
  clearInterval(timer);
  timer = null;
}

function press() {
  for (const chip of $("log-parts").children) chip.setAttribute("aria-pressed", String(chosen.has(chip.dataset.part)));
}

const query = () => ({ part: [...chosen], text: $("log-text").value.trim(), id, quiet: $("log-quiet").checked ? "1" : "" });

async function search() {
  const number = ++asked;
  const trace = $("log-trace");
  trace.hidden = id === "";
  trace.replaceChildren("All lines of ", h("code", {}, id), h("a", { href: "#logs", class: "quiet-button" }, "Show everything again"));
  try {
    const answer = await look("logs", query());
    if (number !== asked) return;
    ({ lines, cursor } = answer);
    $("log-lines").replaceChildren(...lines.map(row));
    told();
    bottom();
  } catch (error) {
    toast(error.message, true);
  }
}

/** Adds the lines that were written since. The reader's place stays, unless that is the end. */
async function more() {
  if (cursor === null) return;
  const number = asked;
  const answer = await look("logs", { ...query(), cursor }).catch(() => null);
  if (answer === null || number !== asked) return;
  cursor = answer.cursor;
  if (answer.lines.length === 0) return;
  const root = $("log-lines");
  const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 40;
  if (lines.length === 0) root.replaceChildren();
  lines.push(...answer.lines);
  root.append(...answer.lines.map(row));
  while (lines.length > MOST) {
    lines.shift();
    root.firstElementChild.remove();
  }
  told();
  if (atEnd) bottom();
}

async function earlier() {
  const number = asked;
  // A reader who scrolls to the top twice still gets the same lines once.
  if (before === number) return;
  before = number;
  await prepend(number);
  if (before === number) before = null;
}

async function prepend(number) {
  const { at } = lines[0];
  // Engines write whole seconds. Some lines with the time of the first line may be here, and others not.
  const here = new Set(lines.filter((line) => line.at === at).map((line) => line.part + line.text));
  const answer = await look("logs", { ...query(), before: at + 1 }).catch(() => null);
  if (answer === null || number !== asked) return;
  const more = answer.lines.filter((line) => line.at < at || !here.has(line.part + line.text));
  if (more.length === 0) return toast("There is nothing before that");
  const root = $("log-lines");
  const height = root.scrollHeight;
  lines.unshift(...more);
  root.prepend(...more.map(row));
  root.scrollTop += root.scrollHeight - height;
  told();
}

function told() {
  $("log-count").textContent = count(lines.length, "line");
  if (lines.length === 0) $("log-lines").replaceChildren(h("p", { class: "muted empty" }, "No line fits."));
}

function bottom() {
  const root = $("log-lines");
  root.scrollTop = root.scrollHeight;
}

function row({ part, at, text }) {
  const parsed = parse(text);
  const level = parsed?.level ?? levelOf(text);
  return h("div", { class: `line ${level}` },
    h("time", { title: new Date(at).toISOString() }, millis(at)),
    h("span", { class: `from ${tint(part)}` }, part),
    h("span", { class: "said" }, parsed ? pretty(parsed) : plain(text)));
}

/** The level of a line. Engines write it in brackets, other programs at the beginning. */
function levelOf(text) {
  if (/\[(note|system)\]/i.test(text)) return "info";
  if (/\[warning\]/i.test(text) || /^\d+:\w .* # /.test(text)) return "warn";
  return /\[error\]|^(error|fatal)\b/i.test(text) ? "error" : "info";
}

function parse(text) {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The event comes first, then its own fields. An id is a link to all other lines with it. */
function pretty(line) {
  const parts = [];
  if (line.level && line.level !== "info") parts.push(h("em", { class: `level ${line.level}` }, line.level), " ");
  parts.push(h("b", {}, line.event ?? ""), line.message ? ` ${line.message}` : "");
  for (const [key, value] of Object.entries(line)) {
    if (PLAIN.has(key)) continue;
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    parts.push(" ", h("span", { class: "pair-of" }, h("i", {}, `${key}=`), IDS.has(key) && shown ? link(key, shown) : shown));
  }
  return parts;
}

const link = (key, value) =>
  h("a", { href: `#logs?id=${encodeURIComponent(value)}`, title: `All lines of this ${key.replace("_id", "")}: ${value}` }, value.slice(0, 8));

/** The text without its time, which is beside it already. */
const plain = (text) => text.replace(/^\d{4}-\d\d-\d\d[T ]+\d+:\d\d:\d\d(\.\d+Z)? \d+ /, "").replace(/^(\d+:\w) \d\d \w{3} \d{4} [\d:.]+ /, "$1 ").replace(/^\d{13} /, "");

/** Neighbours have colours of their own. */
const tint = (part) => `tint-${Math.max(0, order.indexOf(part)) % 8}`;

let typing;
$("log-text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 150);
});
$("log-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
$("log-quiet").addEventListener("change", search);
$("log-live").addEventListener("change", () => $("log-live").checked && more());
$("log-lines").addEventListener("scroll", () => {
  if ($("log-lines").scrollTop === 0 && lines.length >= 300 && lines.length < MOST) earlier();
}, { passive: true });
