// The history, the latest event first.

import { $, clock, day, fill, h, look } from "./dom.js";

let events = [];
let timer = null;

const sentences = {
  starting: "starting", ready: "ready", exited: "died:", failed: "given up:", stopping: "stopping", stopped: "stopped",
  kill: "killed on purpose", pause: "paused on purpose", resume: "resumed", restart: "restart asked for",
  apply: "Applied:", stop: "Asked to stop:", began: "", redrive: "",
};

export function sentence(event) {
  const first = event.text.split("\n")[0];
  const text = [sentences[event.what] ?? event.what, first].filter(Boolean).join(" ");
  const of = event.part.replace(/^(queue|topic):/, "");
  return of ? `${of}: ${text}`.replace(":: ", ": ") : text;
}

export function known(parts) {
  const select = $("history-part");
  const there = [...select.options].map((option) => option.value).slice(1);
  if (there.join() === parts.join()) return;
  const chosen = select.value;
  select.replaceChildren(h("option", { value: "" }, "all"), ...parts.map((part) => h("option", { value: part }, part)));
  select.value = parts.includes(chosen) ? chosen : "";
}

export function enter() {
  load();
  timer ??= setInterval(() => !document.hidden && load(), 2000);
}

export function leave() {
  clearInterval(timer);
  timer = null;
}

async function load() {
  const part = $("history-part").value;
  const { events: latest } = await look("history", { part }).catch(() => ({ events: null }));
  if (latest === null || part !== $("history-part").value) return;
  const oldest = latest.at(-1)?.id ?? 0;
  events = [...latest, ...events.filter((event) => event.id < oldest)];
  draw();
}

async function older() {
  const { events: more } = await look("history", { part: $("history-part").value, before: events.at(-1)?.id });
  events.push(...more);
  draw(more.length);
}

function draw(more = events.length) {
  const days = new Map();
  for (const event of events) {
    const key = day(event.at);
    days.set(key, [...(days.get(key) ?? []), event]);
  }
  const groups = [...days].map(([title, all]) =>
    h("section", { "data-key": title }, h("h3", {}, title), h("ol", { class: "events" }, all.map(item))));
  fill($("history-list"), groups.length > 0 ? groups : h("p", { class: "muted" }, "Nothing has happened yet."));
  $("history-older").hidden = more < 100;
}

function item(event) {
  const rest = event.text.split("\n").slice(1).join("\n");
  return h("li", { "data-key": String(event.id), class: event.what },
    h("time", {}, clock(event.at)),
    h("span", { class: "mark", "aria-hidden": "true" }),
    rest ? h("details", {}, h("summary", {}, sentence(event)), h("pre", {}, rest)) : h("span", {}, sentence(event)));
}

$("history-older").addEventListener("click", older);
$("history-part").addEventListener("change", () => {
  events = [];
  load();
});
