// Asks for the state once a second while somebody looks, and hands it to the views.

import { $, act, copy, count, look, memory, shown, toast } from "./dom.js";
import * as map from "./map.js";
import * as parts from "./parts.js";
import * as logs from "./logs.js";
import * as history from "./history.js";

const SECOND = 1000;

/** The data that every view draws from. */
const world = { stack: null, state: null, byName: new Map(), selected: null };
const views = { overview: null, logs, history };

async function refresh() {
  try {
    const state = await look("state");
    if (world.stack === null || state.revision !== world.state?.revision) {
      world.stack = await look("stack");
      show();
    }
    world.state = state;
    world.byName = new Map(state.parts.map((part) => [part.name, part]));
    trouble(state.running ? "" : "The supervisor does not run. `provision up --local` starts the stack again.");
    draw();
  } catch (error) {
    const gone = error instanceof TypeError;
    trouble(gone ? "No answer: the stack was stopped, or the dashboard is just starting again." : error.message);
  }
}

/** Draws the facts that change with the stack file only. */
function show() {
  const { stack } = world;
  document.title = `${stack.stack} · ${stack.environment}`;
  $("stack").textContent = stack.stack;
  $("environment").textContent = stack.environment;
  $("queues-panel").hidden = stack.queues.length === 0;
  $("tables-panel").hidden = stack.tables.length === 0;
}

function draw() {
  const { parts: all } = world.state;
  const ready = all.filter((part) => part.state === "ready").length;
  const total = all.reduce((sum, part) => sum + (part.memory_kib ?? 0), 0);
  const summary = $("summary");
  const text = `${ready === all.length ? "All" : `${ready} of`} ${count(all.length, "part")} ready · ${memory(total)}`;
  if (summary.textContent !== text) summary.textContent = text;
  summary.classList.toggle("well", ready === all.length && all.length > 0);
  map.draw(world);
  parts.draw(world);
  logs.known([...all.map((part) => part.name), "Supervisor"]);
  history.known(all.map((part) => part.name));
}

function trouble(said) {
  const text = shown(said);
  const element = $("trouble");
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

/** Shows the view of an address such as `#logs?id=...`. */
function route() {
  const [name, query] = location.hash.slice(1).split("?");
  const view = name in views ? name : "overview";
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const [other, module] of Object.entries(views)) if (other !== view) module?.leave();
  views[view]?.enter(new URLSearchParams(query));
  if (view === "overview" && world.state) draw();
}

function select(id) {
  world.selected = world.selected === id ? null : id;
  draw();
}

const doings = {
  select: ({ id }) => select(id),
  connection: async ({ name, secret, text }) => {
    // The page itself holds no secret: the whole text comes when it is asked for.
    copy(secret ? (await act("GET", "connection", { name })).text : text, name);
  },
  redrive: async ({ queue, name }) => {
    const { moved } = await act("POST", "redrive", { queue });
    toast(`${name}: ${count(moved, "dead letter")} moved back`);
    await refresh();
  },
  part: async ({ name, doing }) => {
    await act("POST", "part", { name, do: doing });
    const done = { restart: "restarting", kill: "killed", pause: "paused", resume: "goes on" };
    toast(`${name}: ${done[doing]}`);
    await refresh();
  },
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button || button.disabled) return;
  try {
    await doings[button.dataset.do]?.(button.dataset);
  } catch (error) {
    toast(error.message, true);
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (!location.hash.startsWith("#logs")) location.hash = "#logs";
    requestAnimationFrame(() => $("log-text").focus());
  } else if (event.key === "Escape" && world.selected && !typing) select(world.selected);
});

/** If nobody looks, nothing is asked. */
async function forever() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, SECOND));
  }
}

window.addEventListener("hashchange", route);
window.addEventListener("resize", () => world.state && map.draw(world));
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
route();
forever();
