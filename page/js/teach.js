// The teaching panel: which faces, which task and label, hold to capture, teach, and what came of it.

import * as api from "./api.js";
import { BATCH, batch, holdable } from "./capture.js";
import { updateLabelChips, updateMarked, updateTaskChips } from "./chips.js";
import { expectCrops, labelCounts, lockCrops, onCrops, refreshCrops, showCropsOf } from "./crops.js";
import { ask, listed, named, says } from "./dialogs.js";
import { byId, count, isOff, setAttr, setOff, setText, show } from "./dom.js";
import { cropsOf, hasColumn, isShipped, isTeachable, labelsOf, mayChange, pictureState, store, taskNamed, whyNot } from "./store.js";
import { createProgress, createResult, createState, isBusy, updateProgress, updateResult, updateState } from "./training.js";

const NAME = /^[a-z][a-z0-9_]{0,62}$/;

const taskInput = byId("task-input");
const labelInput = byId("label-input");
const captureButton = byId("capture");
const teachButton = byId("teach-button");
const cancelButton = byId("teach-cancel");
const captureStatus = byId("capture-status");
const teachStatus = byId("teach-status");
const progress = byId("teach-progress").appendChild(createProgress());
const state = byId("teach-state").appendChild(createState());
const result = byId("teach-result").appendChild(createResult(true));
let capturing = null; // {held} while a capture runs
let told = null; // {name, version, before, begun} of the training whose end is still to be told

const kinds = [byId("kind-general"), byId("kind-identity")];
const forbidden = () => store.link === "live" && store.hello?.may_change === false;
const taskName = () => taskInput.value.trim().toLowerCase().replace(/[\s-]+/g, "_");
const labelName = () => labelInput.value.trim();
const marked = () => [...store.marked];

function say(node, text, failed = false) {
  setText(node, text);
  node.classList.toggle("failed", failed);
}

/** The task in the panel, where the node knows it. */
const current = () => taskNamed(taskName());

/** Whether the kind of the task can still be chosen. */
const ownsKind = (task) => task === null || (!hasColumn(task) && !isBusy(task));

export function updateTeach() {
  const off = forbidden();
  for (const input of [taskInput, labelInput]) setAttr(input, "readonly", off);
  for (const input of [taskInput, labelInput, ...kinds]) setOff(input, off);
  setText(byId("why-not"), off ? `Teaching is off. ${whyNot()}` : "");
  show(byId("why-not"), off);
  updateMarked();
  updateNames();
  updateButtons();
  updateTraining();
  lockCrops();
}

function updateNames() {
  updateTaskChips(taskName(), forbidden(), (name) => {
    taskInput.value = name;
    namesChanged();
  });
  const task = current();
  updateLabelChips(task, labelCounts(), labelName(), forbidden(), (label) => {
    labelInput.value = label;
    labelChanged();
  });
  const name = taskName();
  const wrong = name !== "" && !NAME.test(name)
    ? "A task name has small letters a to z, digits and _, begins with a letter, and has at most 63 characters."
    : isTeachable(task) ? "" : `${name} ${isShipped(task) ? "came with the model" : "is kept as a source only"} and cannot be taught. Choose another name.`;
  say(byId("task-wrong"), wrong, true);
  setAttr(taskInput, "aria-invalid", wrong !== "" ? "true" : null);
  show(byId("kind"), ownsKind(task));
  show(byId("kind-fixed"), !ownsKind(task));
  setText(byId("kind-fixed"), task?.kind === "identity" ? "This task tells who somebody is." : "This task tells what faces show.");
}

/** What is still lacking for a capture, in words; "" when nothing is. */
function lacksForCapture() {
  if (!mayChange()) return whyNot();
  const name = taskName();
  if (pictureState() === "none") return "No picture comes, so nothing can be captured.";
  if (marked().length === 0) return "Mark a face first.";
  if (name === "") return "Name the task first.";
  if (!NAME.test(name) || !isTeachable(current())) return "The name of the task cannot be used.";
  if (labelName() === "") return "Give the face a label first.";
  if (isBusy(current())) return "The task learns now. Wait, or cancel it.";
  return "";
}

function lacksForTeaching() {
  if (!mayChange()) return whyNot();
  const task = current();
  if (taskName() === "") return "";
  if (isBusy(task)) return "";
  if (!isTeachable(task)) return "The name of the task cannot be used.";
  const labels = new Set([...(task ? cropsOf(task).map(({ label }) => label) : []), ...labelCounts().keys()]).size;
  if (kind() === "identity") return labels > 0 ? "" : "Capture at least one person.";
  return labels >= 2 ? "" : labels === 1 ? "Capture a second label: one alone tells nothing apart." : "Capture crops of at least two labels.";
}

function kind() {
  const task = current();
  return ownsKind(task) ? kinds.find(({ checked }) => checked).value : task.kind;
}

function updateButtons() {
  const lacks = capturing?.held ? "" : lacksForCapture();
  setOff(captureButton, lacks !== "" || (capturing !== null && !capturing.held));
  captureButton.classList.toggle("held", capturing?.held === true);
  setText(byId("capture-word"), capturing?.held ? "Capturing" : capturing ? "Finishing" : "Hold to capture");
  const faces = marked().length > 1 ? ` of each of ${marked().length} faces` : "";
  setText(byId("capture-help"), lacks || `${BATCH.count / BATCH.seconds} crops a second${faces}, as long as you hold. A tap takes one batch.`);
  const lacking = lacksForTeaching();
  setOff(teachButton, lacking !== "" || taskName() === "" || isBusy(current()) || !mayChange());
  setText(teachButton, current() && hasColumn(current()) ? "Teach again" : "Teach");
  setText(byId("teach-help"), lacking);
}

function updateTraining() {
  const task = current();
  const visible = task !== null && !isShipped(task) && task.state !== "untaught";
  show(byId("teach-state"), visible);
  if (visible) updateState(state, task);
  show(byId("teach-progress"), isBusy(task));
  if (task) updateProgress(progress, task);
  show(cancelButton, isBusy(task));
  setOff(cancelButton, !mayChange());
  updateResult(result, task);
  if (told && task?.name === told.name && isBusy(task)) told.begun = true;
  const ended = told && task?.name === told.name && !isBusy(task) && (told.begun || task.version > told.version || (task.state === "failed" && task !== told.before));
  if (ended) {
    told = null;
    const words = { ready: `${task.name} is taught, version ${task.version}.` }[task.state] ?? (task.message || `${task.name}: ${task.state}.`);
    say(teachStatus, words, task.state === "failed");
  } else if (task?.name && told === null && task.state === "failed" && teachStatus.textContent === "") {
    say(teachStatus, task.message, true);
  }
}

function namesChanged() {
  const task = current();
  if (told?.name !== taskName()) say(teachStatus, "");
  if (!capturing) say(captureStatus, "");
  showCropsOf(NAME.test(taskName()) && isTeachable(task) ? taskName() : "");
  if (task && isTeachable(task) && task.state !== "untaught") byId(`kind-${task.kind}`).checked = true;
  updateTeach();
}

function labelChanged() {
  if (!capturing) say(captureStatus, "");
  updateTeach();
}

/** The node was started anew: what it said before is old. */
export function freshTeach() {
  told = null;
  say(teachStatus, "");
  if (!capturing) say(captureStatus, "");
}

taskInput.addEventListener("input", namesChanged);
taskInput.addEventListener("change", () => {
  if (NAME.test(taskName())) taskInput.value = taskName();
});
labelInput.addEventListener("input", labelChanged);
byId("kind").addEventListener("change", updateTeach);
byId("kind").addEventListener("click", (event) => forbidden() && event.preventDefault());
byId("teach-form").addEventListener("submit", (event) => event.preventDefault());
onCrops(updateTeach);

/** "4 of 5 crops of robin taken." */
function inWords(label, sums) {
  const [taken, asked] = ["taken", "asked"].map((what) => [...sums.values()].reduce((sum, of) => sum + of[what], 0));
  if (taken === 0) return `No crop of ${label} taken.`;
  return `${taken < asked ? `${taken} of ` : ""}${count(asked, "crop")} of ${label} taken.`;
}

/** What one of the faces lacks, or "". */
function ofFace(track, { taken, asked, failure }, several) {
  if (failure !== "") return `Face ${track}: ${failure}`;
  return several && taken < asked ? `Face ${track} gave ${taken} of ${asked}.` : "";
}

let letGo = () => {};
holdable(captureButton, async () => {
  const run = { held: true };
  capturing = run;
  letGo = () => (run.held = false);
  const [task, label] = [taskName(), labelName()];
  taskInput.value = task;
  say(captureStatus, "Capturing …");
  expectCrops(task);
  updateTeach();
  const sums = new Map(); // track -> {taken, asked, failure}
  let nobody = false;
  do {
    const tracks = marked();
    nobody = tracks.length === 0;
    if (nobody) break;
    const done = await batch(task, label, store.camera ?? store.hello?.cameras?.[0] ?? "", tracks);
    for (const { track, captured, failure } of done) {
      const { taken, asked } = sums.get(track) ?? { taken: 0, asked: 0 };
      sums.set(track, { taken: taken + captured, asked: asked + BATCH.count, failure });
    }
    refreshCrops(done.some(({ captured }) => captured > 0));
    say(captureStatus, inWords(label, sums));
    if (done.every(({ failure }) => failure !== "")) break; // nothing comes: go on only when asked again
  } while (run.held && capturing === run);
  if (capturing === run) capturing = null;
  run.held = false;
  const faces = [...sums].map(([track, sum]) => ofFace(track, sum, sums.size > 1));
  const words = [inWords(label, sums), ...faces, nobody ? "No marked face is in the picture any more." : ""];
  say(captureStatus, words.filter((text) => text !== "").join(" "), nobody || [...sums.values()].some(({ failure }) => failure !== ""));
  await refreshCrops([...sums.values()].some(({ taken }) => taken > 0));
  updateTeach();
}, () => {
  letGo();
  updateTeach();
});

/**
 * Teaches a task, or teaches it anew, with all its labels that have crops; also used by the list of tasks. A general one unlearns labels
 * without crops, so that is asked before; `null`: called off.
 */
export async function teach(name, taskKind) {
  const act = async () => {
    const version = taskNamed(name)?.version ?? 0;
    const reply = await api.post("teach", { task: name, kind: taskKind, labels: [] });
    if (reply.success && name === taskName()) told = { name, version, before: taskNamed(name), begun: false };
    return reply;
  };
  const task = taskNamed(name);
  const bare = task && taskKind === "general" ? labelsOf(task).filter(({ learned, count: n }) => learned && n === 0) : [];
  if (bare.length === 0) return act();
  return ask({
    heading: `Teach ${name} again?`,
    content: [says("No crops are kept of ", ...listed(bare.map(({ label }) => label)), ". Taught again, ", named(name),
      " no longer knows ", bare.length === 1 ? "that label." : "these labels.")],
    confirm: "Teach again",
    erases: true,
    act,
  });
}

teachButton.addEventListener("click", async () => {
  if (isOff(teachButton)) return;
  setOff(teachButton, true);
  say(teachStatus, "Asking the node …");
  const reply = await teach(taskName(), kind());
  if (reply) say(teachStatus, reply.message, !reply.success);
  else say(teachStatus, "");
  updateTeach();
});

cancelButton.addEventListener("click", async () => {
  if (isOff(cancelButton)) return;
  const reply = await api.post("cancel", { task: taskName() });
  say(teachStatus, reply.message, !reply.success);
});
