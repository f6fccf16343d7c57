// The chips of the teaching panel: marked faces, known tasks, labels with their crops.

import { byId, count, el, icon, isOff, keyed, setAttr, setIcon, setOff, setText, show } from "./dom.js";
import { isTeachable, labelsOf, store, toggleMark } from "./store.js";
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

/** The tasks that can be taught; `chosen` is pressed, `pick(name)` is called for a click where they are not `off`. */
export function updateTaskChips(chosen, off, pick) {
  const own = (store.tasks ?? []).filter(isTeachable);
  keyed(byId("task-chips"), own, ({ name }) => name, ({ name }) => chip("task-chip", name, pick),
    (item, { name }) => {
      setAttr(item.firstElementChild, "aria-pressed", String(name === chosen));
      setOff(item.firstElementChild, off);
    });
}

/** The labels of `task`, and of crops that the node has not told of yet: `counts` says how many. */
export function updateLabelChips(task, counts, chosen, off, pick) {
  const crops = new Map(counts);
  if (task && isTeachable(task)) for (const { label, count: n } of labelsOf(task)) crops.set(label, n);
  keyed(byId("label-chips"), [...crops], ([label]) => label, ([label]) => chip("label-chip", label, pick), (item, [label, n]) => {
    const button = item.firstElementChild;
    setAttr(button, "aria-pressed", String(label === chosen));
    setOff(button, off);
    setText(button.lastElementChild, String(n));
    setAttr(button, "aria-label", `Label ${label}, ${count(n, "crop")}`);
  });
}

function chip(hook, name, pick) {
  const number = hook === "label-chip" ? el("span", { class: "number" }) : null;
  const button = el("button", { type: "button", class: "chip", data: { test: hook, name } }, el("bdi", { class: "foreign", text: name }), number);
  button.addEventListener("click", () => !isOff(button) && pick(name));
  return el("li", {}, button);
}
