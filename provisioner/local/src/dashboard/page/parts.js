// The tables below the map, and the details beside it.

import { $, clock, count, dot, fill, h, look, memory, shown, since, stateWord } from "./dom.js";
import { behind, lag, name } from "./map.js";
import { sentence } from "./history.js";

export function draw(world) {
  fill($("parts"), table("parts-table", ["Part", "State", "Address", "Memory", "Up for", "Process", "Restarts", ""], world.state.parts.map((part) => row(world, part))));
  fill($("queues"), queues(world));
  fill($("tables"), tables(world));
  fill($("functions"), functions(world));
  $("functions-panel").hidden = Object.keys(world.state.functions).length === 0;
  fill($("connections"), h("ul", { class: "connections" }, world.stack.connections.map(connection)));
  fill($("notes"), world.stack.notes.map((note) => h("li", {}, note)));
  $("notes-panel").hidden = world.stack.notes.length === 0;
  inspector(world);
}

function table(style, heads, rows) {
  return h("table", { class: style }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head || h("span", { class: "off-screen" }, "Actions"))))), h("tbody", {}, rows));
}

const cell = (label, ...children) => h("td", { "data-label": label }, ...children);

function row(world, part) {
  const late = lag(world.state.lags[part.name]);
  const state = part.state === "ready" && late && late !== "up to date" ? late : stateWord(part.state);
  return h(
    "tr", { "data-key": part.name, class: part.state },
    h("th", { scope: "row" }, h("span", { class: "name" }, dot(part.state), part.name), " ", h("small", {}, part.kind)),
    cell("State", h("span", { class: `state ${part.state}` }, state)),
    cell("Address", part.port ? h("code", {}, `127.0.0.1:${part.port}`) : "–"),
    cell("Memory", memory(part.memory_kib)),
    cell("Up for", part.since_ms ? since(world.state.at - part.since_ms) : "–"),
    cell("Process", part.pid ? String(part.pid) : "–"),
    cell("Restarts", String(part.restarts)),
    h("td", {}, h("div", { class: "actions" },
      h("a", { class: "quiet-button", href: `#logs?part=${encodeURIComponent(part.name)}`, "aria-label": `Logs of ${part.name}` }, "Logs"),
      button("restart", part.name, "Restart"))),
  );
}

const button = (doing, part, text) =>
  h("button", { type: "button", class: "quiet-button", "data-key": `${doing} ${part}`, "data-do": "part", "data-doing": doing, "data-name": part, "aria-label": `${text} ${part}` }, text);

function queues(world) {
  const rows = world.stack.queues.map((queue) => {
    const depth = world.state.queues[queue.id];
    const number = (label, value, bad) => cell(label, h("span", { class: bad ? "bad" : "" }, depth ? String(value) : "–"));
    return h(
      "tr", { "data-key": queue.id },
      h("th", { scope: "row" }, h("span", { class: "name" }, name(world, queue.id)), h("small", {}, queue.main)),
      number("Waiting", depth?.waiting), number("In flight", depth?.in_flight), number("Delayed", depth?.delayed), number("Dead letters", depth?.dead, depth?.dead > 0),
      h("td", {}, h("div", { class: "actions" }, h("button", {
        type: "button", class: depth?.dead > 0 ? "button" : "quiet-button", "data-key": "redrive", "data-do": "redrive", "data-queue": queue.id, "data-name": name(world, queue.id),
        disabled: !(depth?.dead > 0), "aria-label": `Move the dead letters of ${name(world, queue.id)} back`,
      }, "Redrive"))),
    );
  });
  return table("queues-table", ["Queue", "Waiting", "In flight", "Delayed", "Dead letters", ""], rows);
}

function tables(world) {
  const rows = world.stack.tables.map((it) => {
    const found = world.state.tables[it.id];
    const readers = found?.readers ?? [];
    return h(
      "tr", { "data-key": it.id },
      h("th", { scope: "row" }, h("span", { class: "name" }, name(world, it.id)), h("small", {}, it.name)),
      cell("Items", found ? String(found.items) : "–"),
      cell("Records in the stream", found?.stream ? String(found.records) : "–"),
      cell("Readers", readers.length === 0 ? "–" : h("ul", { class: "readers" }, readers.map((reader) =>
        h("li", { "data-key": reader.part }, `${reader.part}: `, h("span", { class: reader.oldest_ms > 10000 ? "bad" : "" }, behind(reader)))))),
    );
  });
  return table("tables-table", ["Table", "Items", "Records in the stream", "Readers"], rows);
}

const milliseconds = (value) => (value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);

function functions(world) {
  const rows = Object.entries(world.state.functions).map(([part, it]) => h(
    "tr", { "data-key": part },
    h("th", { scope: "row" }, h("span", { class: "name" }, part), it.last_error ? h("small", { title: shown(it.last_error.text) }, shown(it.last_error.text)) : null),
    cell("Invocations", String(it.invocations)),
    cell("Errors", h("span", { class: it.errors > 0 ? "bad" : "" }, String(it.errors))),
    cell("Throttles", h("span", { class: it.throttles > 0 ? "bad" : "" }, String(it.throttles))),
    cell("Median", milliseconds(it.p50_ms)), cell("p99", milliseconds(it.p99_ms)),
    cell("Processes", `${it.busy} of ${it.processes} busy`),
    cell("Waiting", String(it.waiting)),
  ));
  return table("functions-table", ["Function", "Invocations", "Errors", "Throttles", "Median", "p99", "Processes", "Waiting"], rows);
}

function connection(it) {
  return h(
    "li", { "data-key": it.name },
    h("span", { class: "connection-name" }, it.name),
    h("code", {}, it.text),
    h("button", { type: "button", class: "quiet-button", "data-key": "copy", "data-do": "connection", "data-name": it.name, "data-secret": it.secret ? "yes" : null, "data-text": it.secret ? null : it.text, "aria-label": `Copy ${it.name}` }, "Copy"),
  );
}

let lately = { of: undefined, at: 0, events: [] };

function inspector(world) {
  const node = world.stack.nodes.find((it) => it.id === world.selected);
  events(world, node);
  fill($("inspector"), node ? details(world, node) : glance(world), happened(node));
}

/** Asks for the latest events, at most once in two seconds. */
async function events(world, node) {
  const of = node?.part ?? "";
  const now = Date.now();
  if (lately.of === of && now - lately.at < 2000) return;
  lately = { of, at: now, events: lately.of === of ? lately.events : [] };
  const { events } = await look("history", { part: of }).catch(() => lately);
  if (lately.of !== of) return;
  lately.events = events;
  fill($("inspector"), node ? details(world, node) : glance(world), happened(node));
}

function glance(world) {
  const oldest = Math.min(...world.state.parts.filter((part) => part.since_ms).map((part) => part.since_ms));
  const restarts = world.state.parts.reduce((sum, part) => sum + part.restarts, 0);
  const largest = [...world.state.parts].sort((one, two) => (two.memory_kib ?? 0) - (one.memory_kib ?? 0)).slice(0, 4);
  const most = Math.max(1, largest[0]?.memory_kib ?? 1);
  return h(
    "div", { "data-key": "glance" },
    h("h2", {}, "At a glance"),
    facts([["Up for", Number.isFinite(oldest) ? since(world.state.at - oldest) : "–"], ["Crashes", String(restarts)]]),
    h("h3", {}, "Most memory"),
    h("ul", { class: "bars" }, largest.map((part) => h("li", { "data-key": part.name },
      h("span", {}, part.name), h("span", { class: "number" }, memory(part.memory_kib)),
      h("meter", { min: "0", max: String(most), value: String(part.memory_kib ?? 0), "aria-label": `Memory of ${part.name}` })))),
  );
}

function details(world, node) {
  const part = world.byName.get(node.part);
  const depth = world.state.queues[node.id];
  const links = world.stack.links.filter((link) => link.from === node.id || link.to === node.id);
  const state = part?.state ?? "gone";
  const list = depth
    ? [["Waiting", String(depth.waiting)], ["In flight", String(depth.in_flight)], ["Delayed", String(depth.delayed)], ["Dead letters", String(depth.dead)]]
    : [["Address", part?.port ? `127.0.0.1:${part.port}` : "–"], ["Process", String(part?.pid ?? "–")], ["Memory", memory(part?.memory_kib)], ["Up for", part?.since_ms ? since(world.state.at - part.since_ms) : "–"], ["Restarts", String(part?.restarts ?? 0)]];
  const held = world.state.tables[node.id];
  if (held) list.splice(0, list.length, ["Items", String(held.items)], ["Stream", held.stream ? count(held.records, "record") : "off"], ...held.readers.map((reader) => [reader.part, behind(reader)]));
  const done = world.state.functions[node.part];
  if (done) list.push(["Invocations", String(done.invocations)], ["Errors", String(done.errors)], ["Median", milliseconds(done.p50_ms)], ["Events kept", String(done.accepted)]);
  if (world.state.lags[node.id]) list.push(["Replication", lag(world.state.lags[node.id])]);
  const own = world.stack.connections.filter((it) => it.part === node.part && (node.part === node.id || it.name.endsWith(` ${node.name}`)));
  return h(
    "div", { "data-key": `details ${node.id}` },
    h("h2", {}, dot(state), node.name),
    h("p", { class: "muted" }, node.kind, node.part === node.id ? null : `, in ${node.part}`),
    part?.state !== "ready" && part?.last_error ? h("pre", { class: "error" }, part.last_error) : null,
    facts([["State", stateWord(state)], ...list]),
    links.length > 0 ? h("ul", { class: "links" }, links.map((link) => h("li", {}, `${name(world, link.from)} ${link.verb} ${name(world, link.to)}`))) : null,
    own.length > 0 ? h("ul", { class: "connections" }, own.map(connection)) : null,
    part ? h("div", { class: "actions" },
      button("restart", part.name, "Restart"),
      part.pid === null ? null : part.state === "paused" ? button("resume", part.name, "Resume") : button("pause", part.name, "Pause"),
      part.pid === null ? null : button("kill", part.name, "Kill"),
      h("a", { class: "quiet-button", href: `#logs?part=${encodeURIComponent(part.name)}` }, "Logs")) : null,
  );
}

const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(([term, value]) => h("div", { "data-key": term }, h("dt", {}, term), h("dd", {}, value))));

function happened(node) {
  // The end of an action says that it was begun.
  const told = lately.events.filter((event) => !["starting", "stopping"].includes(event.what));
  const few = lately.of === (node?.part ?? "") ? told.slice(0, 6) : [];
  return h(
    "div", { "data-key": "happened" },
    h("h3", {}, "Lately"),
    few.length === 0 ? h("p", { class: "muted" }, "Nothing yet.") : h("ol", { class: "lately" }, few.map((event) =>
      h("li", { class: event.what }, h("time", {}, clock(event.at)), h("span", {}, sentence(event))))),
    h("a", { href: "#history" }, "The whole history"),
  );
}
