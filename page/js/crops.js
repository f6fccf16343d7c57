// The crops of the task that is being taught: those just taken first, each with a way to erase it.

import * as api from "./api.js";
import { ask, named, says, tick } from "./dialogs.js";
import { byId, count, el, icon, isOff, keyed, setAttr, setOff, setText, show } from "./dom.js";
import { cropsOf, mayChange, store, taskNamed, totalCrops } from "./store.js";

const MOST = 60; // thumbnails at once
const LOADS = 3; // requests at once: captures go first
const FIRST_WAIT_MS = 500; // a thumbnail that was refused is asked for again, then after twice that, and so on
const TRIES = 7;
const NOT_THERE = 404;

const list = byId("crops-list");
const head = byId("crops-head");
const message = byId("crops-message");
const all = byId("crops-all");
const seen = new Map(); // task that the node has -> {first: keys that were there before, order: Map(key -> n), n}
let task = "";
let crops = []; // [{label, id}]
let showAll = false;
let dontAsk = false;
let changed = () => {};
let asking = false;
let askAgain = false;
let told = null; // what the node last said of the crops of `task`
let certain = false; // a crop was just stored: the task is there, even if the node has not said so yet
let loading = 0;
const waiting = [];

const keyOf = ({ label, id }) => `${id}\n${label}`;

/** Calls `listener` when the crops of the task have changed. */
export const onCrops = (listener) => (changed = listener);

export const labelCounts = () => {
  const counts = new Map();
  for (const { label } of crops) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
};

/** Shows the crops of another task. */
export function showCropsOf(name) {
  if (name === task) return Promise.resolve();
  task = name;
  crops = [];
  showAll = false;
  told = kept();
  setText(message, "");
  draw();
  return refreshCrops();
}

function kept() {
  const known = taskNamed(task);
  return known ? JSON.stringify(cropsOf(known)) : "";
}

/** The node has told of its tasks: asks for the crops where others are kept now. */
export function followCrops() {
  const now = kept();
  if (now === told) return;
  told = now;
  refreshCrops();
}

/** A capture of `name` begins: where there are no crops yet, all that come are new. */
export function expectCrops(name) {
  const known = taskNamed(name);
  const none = known === null ? store.tasks !== null : totalCrops(known) === 0;
  if (!seen.has(name) && none) seen.set(name, { first: new Set(), order: new Map(), n: 0 });
}

/** The node is there again; where it is not the `same`, its crops are others. */
export function freshCrops(same) {
  told = null; // asks when it has told of its tasks
  if (!same) {
    seen.clear();
    crops = [];
    draw();
  }
  for (const node of list.querySelectorAll(".broken")) node.load();
}

/** Asks the node again; calls while it answers become one. */
export async function refreshCrops(sure = false) {
  certain ||= sure;
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  do {
    askAgain = false;
    const of = task;
    const known = taskNamed(of) !== null;
    const reply = of !== "" && (known || certain) ? await api.samples(of) : { success: true, samples: [] };
    certain = false;
    if (of !== task) {
      askAgain = true;
    } else if (reply.success) {
      setText(message, "");
      take(reply.samples ?? []);
    } else if (known) {
      setText(message, reply.message);
      draw();
    } else {
      take([]); // a task that does not exist yet has none
    }
  } while (askAgain);
  asking = false;
}

function take(samples) {
  // Not for what is only typed.
  if (!seen.has(task) && (samples.length > 0 || taskNamed(task) !== null)) seen.set(task, { first: new Set(samples.map(keyOf)), order: new Map(), n: 0 });
  const known = seen.get(task) ?? { first: new Set(), order: new Map() };
  const there = new Set(samples.map(keyOf));
  for (const key of known.first) if (!there.has(key)) known.first.delete(key);
  for (const key of known.order.keys()) if (!there.has(key)) known.order.delete(key);
  for (const key of there) if (!known.first.has(key) && !known.order.has(key)) known.order.set(key, ++known.n);
  crops = samples;
  draw();
  changed();
}

function draw() {
  const order = seen.get(task)?.order ?? new Map();
  const newest = [...crops].sort((a, b) => (order.get(keyOf(b)) ?? 0) - (order.get(keyOf(a)) ?? 0));
  const recent = newest.filter((crop) => order.has(keyOf(crop)));
  const shown = (showAll ? newest : recent).slice(0, MOST);
  const words = showAll ? `All ${count(crops.length, "crop")}` : recent.length > 0 ? `${count(recent.length, "crop")} just taken` : "None just taken";
  const some = shown.length < (showAll ? crops : recent).length ? `, the newest ${MOST} shown` : "";
  setText(head, `${words}${some}`);
  setText(all, showAll ? "Only those just taken" : `All ${count(crops.length, "crop")}`);
  show(all, showAll || crops.length > recent.length);
  show(byId("crops"), crops.length > 0 || message.textContent !== "");
  keyed(list, shown, (crop) => `${task}\n${keyOf(crop)}`, createCrop);
  lockCrops();
}

/** Locks or unlocks what erases. */
export function lockCrops() {
  for (const node of list.children) setOff(node.lastElementChild, !mayChange());
}

all.addEventListener("click", () => {
  showAll = !showAll;
  draw();
});

function createCrop({ label, id }) {
  const of = task;
  const picture = el("img", { alt: `Crop ${id} of ${label}`, width: "64", height: "64", draggable: "false" });
  const erase = el("button", { type: "button", class: "erase", data: { test: "crop-delete", id }, title: "Erase this crop" }, icon("cross"));
  setAttr(erase, "aria-label", `Erase crop ${id} of ${label}`);
  const name = el("bdi", { class: "crop-label", text: label, title: label });
  const node = el("li", { class: "crop", data: { test: "crop", id } }, picture, name, erase);
  erase.addEventListener("click", () => !isOff(erase) && discard(of, label, id, picture));
  node.addEventListener("gone", () => picture.src && URL.revokeObjectURL(picture.src));
  node.load = (tries = TRIES) => {
    node.classList.remove("broken");
    waiting.push(async () => {
      if (!node.isConnected) return;
      const reply = await api.sample(of, id);
      if (!node.isConnected) return;
      if (reply.success) picture.src = URL.createObjectURL(reply.blob);
      else if (tries > 1 && reply.status !== NOT_THERE) setTimeout(node.load, FIRST_WAIT_MS * 2 ** (TRIES - tries), tries - 1);
      else node.classList.add("broken");
    });
    queueMicrotask(load);
  };
  node.load();
  return node;
}

function load() {
  while (loading < LOADS && waiting.length > 0) {
    loading += 1;
    waiting.pop()().finally(() => {
      loading -= 1;
      load();
    });
  }
}

async function discard(of, label, id, picture) {
  const act = () => api.post("discard", { task: of, id });
  let reply;
  if (dontAsk) {
    reply = await act();
  } else {
    const stop = tick("Do not ask again for single crops, until this page is loaded again", "dont-ask");
    reply = await ask({
      heading: "Erase this crop?",
      content: [
        el("div", { class: "crop-question" }, el("img", { src: picture.src || null, alt: picture.alt, width: "96", height: "96" }),
          says("Crop ", named(id), " of the label ", named(label), " of the task ", named(of), " is erased. It does not come back.")),
        stop.node,
      ],
      confirm: "Erase crop",
      erases: true,
      act,
    });
    if (reply) dontAsk = stop.input.checked;
  }
  if (!reply) return;
  setText(message, reply.success ? "" : reply.message);
  await refreshCrops();
  if (!reply.success) setText(message, reply.message);
}
