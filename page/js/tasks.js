// The list of tasks, and what can be done with each. What erases asks before, and names what goes.

import * as api from "./api.js";
import { refreshCrops } from "./crops.js";
import { ask, listed, named, says, tick } from "./dialogs.js";
import { byId, count, el, isOff, keyed, setAttr, setOff, setText, show } from "./dom.js";
import { cropsOf, hasColumn, isShipped, labelsOf, mayChange, store, totalCrops, whyNot } from "./store.js";
import { teach } from "./teach.js";
import { createProgress, createResult, createState, isBusy, updateProgress, updateResult, updateState } from "./training.js";

const NO_FILE = { success: false, message: "Choose a file first." };

const list = byId("tasks-list");
const status = byId("tasks-status");
const importButton = byId("task-import");

/** What a removal takes along: tasks that draw from it, be it through others, and sources that are then of no use any more. */
function goneWith(task) {
  const tasks = (store.tasks ?? []).filter(({ name }) => name !== task.name);
  const gone = new Set([task.name]);
  const draws = ({ sources }) => sources?.some((name) => gone.has(name));
  for (let before = 0; before < gone.size; ) {
    before = gone.size;
    for (const other of tasks) if (draws(other)) gone.add(other.name);
  }
  const drawing = tasks.filter(({ name }) => gone.has(name));
  const stays = tasks.filter(({ name }) => !gone.has(name));
  const unused = stays.filter(({ silent, name }) => silent && !stays.some(({ sources }) => sources?.includes(name))
    && [task, ...drawing].some(({ sources }) => sources?.includes(name)));
  return { drawing, unused };
}

function say(reply) {
  if (!reply) return;
  setText(status, reply.message);
  status.classList.toggle("failed", !reply.success);
}

/** The node was started anew: what it said before is old. */
export const freshTasks = () => setText(status, "");

export function updateTasks() {
  const empty = byId("tasks-empty");
  const tasks = store.tasks ?? [];
  const [own, shipped] = [tasks.filter((task) => !isShipped(task)), tasks.filter(isShipped)];
  setText(empty, store.tasks === null
    ? (store.link === "lost" ? "The tasks are not known." : "Waiting for the tasks.")
    : "Nothing was taught here yet. Mark a face, and capture.");
  show(empty, own.length === 0);
  list.classList.toggle("stale", store.link !== "live");
  keyed(list, own, ({ name }) => name, createTask, updateTask);
  show(byId("shipped"), shipped.length > 0);
  keyed(byId("shipped-list"), shipped, ({ name }) => name, createShipped, (node, task) =>
    setText(node.lastElementChild, task.labels.join(", ")));
  setOff(importButton, !mayChange());
  const why = store.link === "live" && store.hello ? whyNot() : "";
  setText(byId("tasks-why"), why && `Nothing can be changed. ${why}`);
  show(byId("tasks-why"), why !== "");
}

const createShipped = ({ name }) =>
  el("li", { data: { test: "task-row", task: name } }, el("strong", { text: name }), el("span", { class: "quiet foreign" }));

function createTask({ name }) {
  const button = (hook, text, act, extra = "ghost") => el("button", { type: "button", class: extra, data: { test: hook, task: name },
    "aria-label": `${text.replace(" …", "")} ${name}`, text, on: { click: (event) => !isOff(event.currentTarget) && act(node.task) } });
  const node = el("li", { class: "task", data: { test: "task-row", task: name } },
    el("div", { class: "card-head" }, el("h3", { text: name }), el("span", { class: "quiet", data: { test: "task-version" } }), createState()),
    el("ul", { class: "counts" }),
    el("p", { class: "quiet foreign" }),
    createProgress(),
    createResult(false),
    el("div", { class: "actions" },
      button("task-cancel", "Cancel", async ({ name: task }) => say(await api.post("cancel", { task }))),
      button("task-retrain", "Teach again", async ({ name: task, kind }) => say(await teach(task, kind))),
      button("task-export", "Export …", exportTask),
      button("task-forget", "Forget crops …", forgetTask),
      button("task-remove", "Remove …", removeTask, "ghost danger-text")));
  return node;
}

function updateTask(node, task) {
  node.task = task;
  const [head, counts, words, progress, result, actions] = node.children;
  const [, version, state] = head.children;
  const kind = task.kind === "identity" ? "people" : "general";
  setText(version, [kind, hasColumn(task) && `version ${task.version}`, task.silent && "kept as a source only"].filter(Boolean).join(", "));
  updateState(state, task);
  keyed(counts, labelsOf(task), ({ label }) => label,
    ({ label }) => el("li", { class: "count-of" }, el("bdi", { class: "foreign", text: label }), el("span", { class: "number" })),
    (item, { count: n, learned }) =>
      setText(item.lastElementChild, `${count(n, "crop")}${hasColumn(task) && !learned ? ", not learned yet" : ""}`));
  const draws = task.sources?.length > 0 ? `Draws from ${task.sources.join(", ")}. ` : "";
  setText(words, `${draws}${task.message ?? ""}`);
  show(words, words.textContent !== "");
  words.classList.toggle("failed", task.state === "failed");
  updateProgress(progress, task);
  updateResult(result, task);
  const [cancel, again, exported, forget, remove] = actions.children;
  const [busy, may] = [isBusy(task), mayChange()];
  setText(again, hasColumn(task) ? "Teach again" : "Teach");
  setAttr(again, "aria-label", `${again.textContent} ${task.name}`);
  show(cancel, busy);
  show(again, !busy && !task.silent);
  setOff(cancel, !may);
  setOff(again, !may || totalCrops(task) === 0);
  setOff(exported, !may || busy || !hasColumn(task));
  setOff(forget, !may || busy || totalCrops(task) === 0);
  setOff(remove, !may || busy);
}

async function removeTask(task) {
  const { drawing, unused } = goneWith(task);
  const all = [task, ...drawing, ...unused];
  const n = all.reduce((sum, one) => sum + totalCrops(one), 0);
  const keep = tick(all.length === 1 ? `Keep its ${count(n, "crop")}, to teach it again later` : `Keep the crops, ${n} in all`, "keep-samples");
  const cascade = tick(["Also remove ", ...listed(drawing.map(({ name }) => name))], "cascade");
  const withCrops = (one) => el("li", {}, named(one.name), `, ${count(totalCrops(one), "crop")}`);
  const these = (tasks) => el("ul", { class: "going" }, ...tasks.map(withCrops));
  say(await ask({
    heading: `Remove the task ${task.name}?`,
    content: [
      says("The task ", named(task.name), ` and its ${count(totalCrops(task), "crop")} are erased. They do not come back.`),
      ...(drawing.length > 0
        ? [says("These tasks draw from it, be it through others. It cannot be removed without them:"), these(drawing), cascade.node] : []),
      ...(unused.length > 0 ? [says("Kept as a source for these alone, so erased with them if no longer needed:"), these(unused)] : []),
      ...(n > 0 ? [keep.node] : []),
    ],
    confirm: "Remove",
    erases: true,
    act: () => api.post("remove", { task: task.name, keep_samples: n > 0 && keep.input.checked, cascade: cascade.input.checked }),
  }));
  refreshCrops();
}

async function forgetTask(task) {
  const choice = (label, words, checked) => {
    const input = el("input", { type: "radio", name: "forget", data: { test: "forget-label", label }, checked });
    input.label = label;
    return { input, node: el("label", { class: "tick-line" }, input, el("span", {}, ...words)) };
  };
  const choices = [
    choice("", [`all ${count(totalCrops(task), "crop")} of the task`], true),
    ...cropsOf(task).map(({ label, count: n }) => choice(label, [`${count(n, "crop")} of `, named(label)], false)),
  ];
  const what = el("fieldset", { class: "choices" }, el("legend", { text: "Erase" }), ...choices.map(({ node }) => node));
  const teaches = hasColumn(task);
  say(await ask({
    heading: `Erase crops of ${task.name}?`,
    content: [
      what,
      says("They do not come back.", teaches ? " What the task has learned from them stays: remove the task to be rid of that." : ""),
    ],
    confirm: "Erase crops",
    erases: true,
    act: () => api.post("forget", { task: task.name, label: choices.find(({ input }) => input.checked)?.input.label ?? "" }),
  }));
  refreshCrops();
}

async function exportTask(task) {
  const n = totalCrops(task);
  const crops = tick(`With its ${count(n, "crop")}. Crops show faces: they are personal data`, "with-samples");
  const reply = await ask({
    heading: `Export the task ${task.name}?`,
    content: [says("You get a file that another node with the same model can import."), ...(n > 0 ? [crops.node] : [])],
    confirm: "Export",
    erases: false,
    act: () => api.exported(task.name, n > 0 && crops.input.checked),
  });
  if (!reply?.success) return say(reply);
  const address = URL.createObjectURL(reply.blob);
  el("a", { href: address, download: `${task.name}.tar` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  say({ success: true, message: `${task.name}.tar was downloaded.` });
}

importButton.addEventListener("click", async () => {
  if (isOff(importButton)) return;
  const archive = el("input", { type: "file", accept: ".tar,application/x-tar", data: { test: "import-file" } });
  const name = el("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: "63", data: { test: "import-name" } });
  say(await ask({
    heading: "Import a task",
    content: [
      el("label", { class: "field" }, el("span", { text: "File (.tar) that was exported" }), archive),
      el("label", { class: "field" }, el("span", { text: "Another name for it, if wanted" }), name),
    ],
    confirm: "Import",
    erases: false,
    act: () => (archive.files.length === 1 ? api.imported(name.value.trim(), archive.files[0]) : NO_FILE),
  }));
});
