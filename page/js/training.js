// How far the training of a task is, and what came of it: used by the teaching panel and by the list of tasks.

import { el, icon, setAttr, setIcon, setText, show } from "./dom.js";
import { hasColumn } from "./store.js";

const STATES = {
  ready: { word: "ready", shape: "light-ok" },
  queued: { word: "waits", shape: "light-none" },
  training: { word: "learns", shape: "light-busy" },
  failed: { word: "failed", shape: "light-error" },
  cancelled: { word: "cancelled", shape: "light-warn" },
  untaught: { word: "not taught yet", shape: "light-none" },
};

const OPTIMISTIC = "Crops of one sitting resemble each other, so the figure is optimistic. Capture a second set another time, and look.";

export const isBusy = (task) => task?.state === "training" || task?.state === "queued";

/** "about 2 min left". */
function left(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return "nearly done";
  if (seconds < 90) return `about ${Math.ceil(seconds)} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}

export function createState() {
  return el("span", { class: "state", data: { test: "task-state" } }, icon("light-none"), el("span", {}));
}

export function updateState(node, task) {
  const { word, shape } = STATES[task.state] ?? { word: task.state, shape: "light-none" };
  setAttr(node, "data-state", task.state);
  setIcon(node.firstElementChild, shape);
  setText(node.lastElementChild, word);
}

export function createProgress() {
  return el("div", { class: "progress" },
    el("progress", { max: "1", value: "0", data: { test: "progress" } }),
    el("span", { class: "quiet", data: { test: "eta" } }));
}

export function updateProgress(node, task) {
  show(node, isBusy(task));
  if (!isBusy(task)) return;
  const [bar, words] = node.children;
  const share = task.training?.progress ?? 0;
  setAttr(bar, "aria-label", `Training of ${task.name}`);
  if (task.state === "queued") {
    bar.value = 0;
    setText(words, "Waits for another training to end.");
    return;
  }
  bar.value = share;
  const { epoch = 0, epochs = 0, eta_s } = task.training ?? {};
  const rounds = epochs > 0 ? `, epoch ${epoch} of ${epochs}` : "";
  setText(words, `${Math.round(100 * share)}%${rounds}, ${task.training ? left(eta_s) : "just begun"}`);
}

/** Accuracy with its interval, and the promise. */
export function createResult(withNote) {
  return el("div", { class: "result" },
    el("p", { class: "accuracy", data: { test: "accuracy" } }),
    el("div", { class: "interval", "aria-hidden": "true" }, el("span", { class: "span" }), el("span", { class: "value" })),
    withNote ? el("p", { class: "quiet", text: OPTIMISTIC }) : null,
    el("p", { class: "promise", data: { test: "promise" } }, icon("check"), el("span", {})));
}

export function updateResult(node, task) {
  show(node, task !== null && hasColumn(task) && task.state === "ready");
  if (node.hidden) return;
  const [words, interval, ...rest] = node.children;
  const promise = rest[rest.length - 1];
  const { accuracy } = task;
  setText(words, accuracy ? `${accuracy.words}.` : "The accuracy was not measured: for that, each label needs at least two crops.");
  show(interval, Boolean(accuracy));
  if (rest.length > 1) show(rest[0], Boolean(accuracy));
  if (accuracy) {
    const [span, value] = interval.children;
    span.style.left = `${100 * accuracy.low}%`;
    span.style.width = `${100 * Math.max(0.01, accuracy.high - accuracy.low)}%`;
    value.style.left = `${100 * accuracy.value}%`;
  }
  setText(promise.lastElementChild, task.promise ?? "");
  show(promise, Boolean(task.promise));
}
