// The map of what uses what. It has three columns, with the lines drawn behind real buttons.

import { $, count, dot, fill, h, memory, since } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const COLUMNS = [
  { title: "Entry", lanes: ["entry"] },
  { title: "Services", lanes: ["services"] },
  { title: "Topics and queues", lanes: ["messages"], with: { title: "Data", lanes: ["data"] } },
];

let touched = null;

export function draw(world) {
  const root = $("map");
  if (root.offsetParent === null) return;
  if (!root.firstElementChild) {
    root.append(document.createElementNS(SVG, "svg"), h("div", { class: "columns" }));
    root.firstElementChild.setAttribute("aria-hidden", "true");
    const touch = (event) => {
      touched = event.type === "mouseout" || event.type === "focusout" ? null : event.target.closest(".node")?.dataset.id;
      light(world);
    };
    for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) root.addEventListener(type, touch);
  }
  const columns = COLUMNS.map((column) =>
    h("div", { class: "column" }, [column, column.with].filter(Boolean).map((group) => lane(world, group))),
  ).filter((column) => column.firstElementChild);
  fill(root.lastElementChild, columns);
  root.lastElementChild.dataset.columns = columns.length;
  lines(world, root);
  light(world);
}

function lane(world, { title, lanes }) {
  const nodes = world.stack.nodes.filter((node) => lanes.includes(node.lane) && node.part !== "provision.dashboard");
  if (nodes.length === 0) return null;
  return h("div", { class: "lane" }, h("h3", {}, title), inOrder(world, nodes).map((node) => card(world, node)));
}

/** Puts each node next to the one that it belongs to: a replica after its primary, a queue after its topic, a forwarder after its service. */
function inOrder(world, nodes) {
  const ids = new Set(nodes.map((node) => node.id));
  const from = new Map(world.stack.links.filter((link) => ids.has(link.from) && ids.has(link.to)).map((link) => [link.to, link.from]));
  // That one is near to the nodes that it talks to, so that fewer lines cross.
  const places = world.stack.nodes.filter((node) => ["messages", "data"].includes(node.lane)).sort((one, two) => two.lane.localeCompare(one.lane)).map((node) => node.id);
  const place = (node) => {
    const near = world.stack.links.flatMap((link) => (link.from === node.id ? [link.to] : link.to === node.id ? [link.from] : [])).map((id) => places.indexOf(id)).filter((at) => at >= 0);
    return near.length > 0 ? near.reduce((sum, at) => sum + at, 0) / near.length : places.length;
  };
  const roots = nodes.filter((node) => !from.has(node.id));
  if (nodes[0].lane === "services") roots.sort((one, two) => place(one) - place(two));
  const under = (id) => nodes.filter((node) => from.get(node.id) === id).flatMap((node) => [node, ...under(node.id)]);
  return roots.flatMap((node) => [node, ...under(node.id)]);
}

function card(world, node) {
  const part = world.byName.get(node.part);
  const state = part?.state ?? "gone";
  return h(
    "button",
    {
      type: "button", class: `node ${state}`, "data-key": node.id, "data-id": node.id, "data-do": "select",
      "aria-pressed": String(world.selected === node.id),
    },
    h("span", { class: "node-name" }, dot(state), h("b", {}, node.name)),
    h("span", { class: "node-kind" }, node.kind),
    h("span", { class: "node-figure" }, figures(world, node, part)),
    h("span", { class: "node-uses" }, sentences(world, node.id)),
  );
}

/** The links in words: `uses orders and lookups, publishes to events`. */
function sentences(world, id) {
  const verbs = new Map();
  for (const link of world.stack.links.filter((it) => it.from === id)) verbs.set(link.verb, [...(verbs.get(link.verb) ?? []), name(world, link.to)]);
  const list = new Intl.ListFormat("en");
  return [...verbs].map(([verb, names]) => `${verb} ${list.format(names)}`).join("; ");
}

export const name = (world, id) => world.stack.nodes.find((node) => node.id === id)?.name ?? id;

function figures(world, node, part) {
  const depth = world.state.queues[node.id];
  if (depth) {
    const all = [`${depth.waiting + depth.delayed} waiting`, `${depth.in_flight} in flight`];
    return [all.join(" · "), depth.dead > 0 && h("em", { class: "bad" }, ` · ${depth.dead} dead`)];
  }
  const held = world.state.tables[node.id];
  if (held) {
    const late = held.readers.filter((reader) => reader.records > 0);
    return [[count(held.items, "item"), ...late.map((reader) => `${reader.part} ${behind(reader)}`)].join(" · ")];
  }
  if (node.kind === "topic") {
    return [`to ${count(world.stack.links.filter((link) => link.from === node.id).length, "queue")}`];
  }
  if (!part || part.pid === null) return ["–"];
  return [[lag(world.state.lags[node.id]), memory(part.memory_kib)].filter(Boolean).join(" · ")];
}

export function lag(lag) {
  if (!lag) return "";
  if (lag.error) return "lag unknown";
  if (lag.seconds === null) return "not following";
  return lag.seconds === 0 ? "up to date" : `${lag.seconds} s behind`;
}

/** How far a reader of a stream is behind: `3 records behind, the oldest 12 s`. */
export function behind(reader) {
  if (reader.records === 0) return "up to date";
  return `${count(reader.records, "record")} behind, the oldest ${since(reader.oldest_ms ?? 0)}`;
}

function lines(world, root) {
  const svg = root.firstElementChild;
  const frame = root.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const boxes = new Map();
  for (const element of root.querySelectorAll(".node")) {
    const box = element.getBoundingClientRect();
    boxes.set(element.dataset.id, { left: box.left - frame.left, right: box.right - frame.left, top: box.top - frame.top, height: box.height });
  }
  const links = world.stack.links.filter((link) => boxes.has(link.from) && boxes.has(link.to)).map((link) => {
    const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
    const same = Math.abs(from.left - to.left) < 8;
    const forward = to.left > from.left;
    return { ...link, same, ends: [
      { id: link.from, side: same ? "bottom" : forward ? "right" : "left", box: from, other: to },
      { id: link.to, side: same ? "top" : forward ? "left" : "right", box: to, other: from },
    ] };
  });
  // Lines that share a side are spread over it in the order of their other ends, so that they do not cross there.
  const sides = new Map();
  for (const end of links.flatMap((link) => link.ends)) {
    const key = `${end.id} ${end.side}`;
    sides.set(key, [...(sides.get(key) ?? []), end]);
  }
  for (const ends of sides.values()) {
    ends.sort((one, two) => one.other.top - two.other.top);
    ends.forEach((end, index) => { end.y = end.box.top + (end.box.height * (index + 1)) / (ends.length + 1); });
  }
  const paths = links.map((link) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", link.same ? down(link.ends) : across(link.ends));
    path.dataset.from = link.from;
    path.dataset.to = link.to;
    return [path, head(link)];
  });
  svg.replaceChildren(...paths.flat());
}

function across([from, to]) {
  const [x1, x2] = [from.box[from.side], to.box[to.side]];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${x2} ${to.y}`;
}

/** The line goes straight down to the next card, or in a bow around those between. */
function down([from, to]) {
  const [y1, y2] = [from.box.top + from.box.height, to.box.top];
  const x = from.box.left + 24;
  if (y2 - y1 < 40 && y2 > y1) return `M${x} ${y1} L${x} ${y2}`;
  const [r, a, b] = [from.box.right, from.box.top + from.box.height / 2, to.box.top + to.box.height / 2];
  return `M${r} ${a} C${r + 28} ${a} ${r + 28} ${b} ${r} ${b}`;
}

/** The arrow is drawn, because in some browsers a marker cannot take the colour of its line. */
function head({ same, ends: [from, to], ...link }) {
  const arrow = document.createElementNS(SVG, "path");
  const y = to.box.top;
  const near = same && y - (from.box.top + from.box.height) < 40 && y > from.box.top;
  const [x, dx] = [to.box[to.side] ?? to.box.right, to.side === "left" ? -1 : 1];
  const middle = to.box.top + to.box.height / 2;
  const form = near
    ? `M${to.box.left + 20} ${y - 6} L${to.box.left + 24} ${y} L${to.box.left + 28} ${y - 6}`
    : `M${x + 6 * dx} ${(same ? middle : to.y) - 4} L${x} ${same ? middle : to.y} L${x + 6 * dx} ${(same ? middle : to.y) + 4}`;
  arrow.setAttribute("d", form);
  arrow.dataset.from = link.from;
  arrow.dataset.to = link.to;
  return arrow;
}

/** Marks the nodes and lines that belong to the one that is pointed at, or chosen. */
function light(world) {
  const root = $("map");
  const id = touched ?? world.selected;
  root.classList.toggle("lit", Boolean(id));
  const near = new Set([id]);
  for (const path of root.querySelectorAll("path")) {
    const on = path.dataset.from === id || path.dataset.to === id;
    path.classList.toggle("on", on);
    if (on) near.add(path.dataset.from).add(path.dataset.to);
  }
  for (const node of root.querySelectorAll(".node")) node.classList.toggle("near", near.has(node.dataset.id));
}
