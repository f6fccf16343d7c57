// The chips of the teaching panel: marked faces, known tasks, labels with their crops.

import { byId, count, el, icon, keyed, setAttr, setIcon, setText, show } from "./dom.js";
import { isShipped, store, toggleMark } from "./store.js";
import { slotOf } from "./tracks.js";

/** The marked faces, each with a way to unmark it. */
export function updateMarked() {
  const tracks = [...store.marked].sort((a, b) => slotOf(a) - slotOf(b));
  keyed(byId("marked"), tracks, (track) => track, createMarked, (item, track) => {
    setAttr(item, "data-slot", slotOf(track));
    setIcon(item.firstElementChild.firstElementChild, `shape-${slotOf(track)}`);
  });
  const none = byId("marked-none");
  show(none, tracks.length === 0);
  setText(none, store.faces.length > 0 ? "Click a face in the picture. Mark several to capture them together." : "Nobody is there to be marked.");
}

function createMarked(track) {
  const unmark = el("button", { type: "button", class: "chip", data: { test: "marked", track }, "aria-label": `Unmark face ${track}` },
    icon("shape-0", "shape"), el("bdi", { text: track }), icon("cross"));
  unmark.addEventListener("click", () => toggleMark(track));
  return el("li", {}, unmark);
}

/** The tasks that were taught or begun here; `chosen` is pressed, `pick(name)` is called for a click. */
export function updateTaskChips(chosen, pick) {
  const own = (store.tasks ?? []).filter((task) => !isShipped(task) && task.state !== "silent");
  keyed(byId("task-chips"), own, ({ name }) => name, ({ name }) => chip("task-chip", name, pick),
    (item, { name }) => setAttr(item.firstElementChild, "aria-pressed", String(name === chosen)));
}

/** The labels of `task` (or `null`), and those of which there are crops: `counts` says how many. */
export function updateLabelChips(task, counts, chosen, pick) {
  const labels = [...new Set([...(task && !isShipped(task) ? task.labels : []), ...counts.keys()])];
  keyed(byId("label-chips"), labels, (label) => label, (label) => chip("label-chip", label, pick), (item, label) => {
    const button = item.firstElementChild;
    setAttr(button, "aria-pressed", String(label === chosen));
    const at = task?.labels.indexOf(label) ?? -1;
    const crops = counts.get(label) ?? (counts.size === 0 && at >= 0 ? (task.samples[at] ?? 0) : 0);
    setText(button.lastElementChild, String(crops));
    setAttr(button, "aria-label", `Label ${label}, ${count(crops, "crop")}`);
  });
}

function chip(hook, name, pick) {
  const number = hook === "label-chip" ? el("span", { class: "number" }) : null;
  const button = el("button", { type: "button", class: "chip", data: { test: hook, name } }, el("bdi", { class: "foreign", text: name }), number);
  button.addEventListener("click", () => pick(name));
  return el("li", {}, button);
}
