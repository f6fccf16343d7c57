// The teaching panel: which faces, which task and label, hold to capture, teach, and what came of it.

import * as api from "./api.js";
import { batch, holdable } from "./capture.js";
import { updateLabelChips, updateMarked, updateTaskChips } from "./chips.js";
import { labelCounts, lockCrops, onCrops, refreshCrops, showCropsOf } from "./crops.js";
import { byId, count, isOff, setAttr, setOff, setText, show } from "./dom.js";
import { hasColumn, isShipped, mayChange, pictureState, store, taskNamed, whyNot } from "./store.js";
import { createProgress, createResult, createState, isBusy, updateProgress, updateResult, updateState } from "./training.js";

const NAME = /^[a-z][a-z0-9_]{0,63}$/;

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
let capturing = null; // {taken, held} while a capture runs
let told = null; // {name, version, begun} of the training whose end is still to be told

const taskName = () => taskInput.value.trim().toLowerCase().replace(/[\s-]+/g, "_");
const labelName = () => labelInput.value.trim();
const marked = () => [...store.marked];

function say(node, text, failed = false) {
  setText(node, text);
  node.classList.toggle("failed", failed);
}

/** The task in the panel, where the node knows it. */
const current = () => taskNamed(taskName());

const ownsKind = (task) => task === null || (task.state === "untaught");

export function updateTeach() {
  const forbidden = store.link === "live" && store.hello && !store.hello.may_change;
  for (const field of document.querySelectorAll("#teach fieldset")) if (field.disabled !== Boolean(forbidden)) field.disabled = Boolean(forbidden);
  setText(byId("why-not"), forbidden ? `Teaching is off. ${whyNot()}` : "");
  show(byId("why-not"), Boolean(forbidden));
  updateMarked();
  updateNames();
  updateButtons();
  updateTraining();
  lockCrops();
}

function updateNames() {
  updateTaskChips(taskName(), (name) => {
    taskInput.value = name;
    namesChanged();
  });
  const task = current();
  updateLabelChips(task, labelCounts(), labelName(), (label) => {
    labelInput.value = label;
    labelChanged();
  });
  const name = taskName();
  const wrong = name !== "" && !NAME.test(name)
    ? "A task name has small letters a to z, digits and _, begins with a letter, and has at most 64 characters."
    : task && isShipped(task) ? `${name} came with the model and cannot be taught. Choose another name.` : "";
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
  if (!NAME.test(name) || (current() && isShipped(current()))) return "The name of the task cannot be used.";
  if (labelName() === "") return "Give the face a label first.";
  if (isBusy(current())) return "The task learns now. Wait, or cancel it.";
  return "";
}

function lacksForTeaching() {
  if (!mayChange()) return whyNot();
  const task = current();
  if (taskName() === "") return "";
  if (isBusy(task)) return "";
  const labels = labelCounts().size;
  if (kind() === "identity") return labels > 0 ? "" : "Capture at least one person.";
  return labels >= 2 ? "" : labels === 1 ? "Capture a second label: one alone tells nothing apart." : "Capture crops of at least two labels.";
}

function kind() {
  const task = current();
  return ownsKind(task) ? document.querySelector("input[name=kind]:checked").value : task.kind;
}

function updateButtons() {
  const lacks = capturing?.held ? "" : lacksForCapture();
  setOff(captureButton, lacks !== "" || (capturing !== null && !capturing.held));
  captureButton.classList.toggle("held", capturing?.held === true);
  setText(byId("capture-word"), capturing?.held ? "Capturing" : capturing ? "Finishing" : "Hold to capture");
  const faces = marked().length > 1 ? ` of each of ${marked().length} faces` : "";
  setText(byId("capture-help"), lacks || `5 crops a second${faces}, as long as you hold. A tap takes one batch.`);
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
  const ended = told && task?.name === told.name && !isBusy(task) && (told.begun || task.version > told.version || task.state === "failed");
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
  showCropsOf(NAME.test(taskName()) && !(task && isShipped(task)) ? taskName() : "");
  if (task && !isShipped(task) && !ownsKind(task)) byId(`kind-${task.kind}`).checked = true;
  updateTeach();
}

function labelChanged() {
  if (!capturing) say(captureStatus, "");
  updateTeach();
}

/** The node is there again: what it said before may be another node's words. */
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
byId("teach-form").addEventListener("submit", (event) => event.preventDefault());
onCrops(updateTeach);

let letGo = () => {};
holdable(captureButton, async () => {
  const run = { taken: 0, held: true };
  capturing = run;
  letGo = () => (run.held = false);
  const [task, label] = [taskName(), labelName()];
  taskInput.value = task;
  say(captureStatus, "Capturing …");
  updateTeach();
  let failures = [];
  let notes = [];
  do {
    const tracks = marked();
    if (tracks.length === 0) {
      failures = [{ message: "No marked face is in the picture any more." }];
      break;
    }
    const done = await batch(task, label, store.camera ?? store.hello?.cameras?.[0] ?? "", tracks);
    run.taken += done.captured;
    ({ failures, notes } = done);
    refreshCrops(done.captured > 0);
    say(captureStatus, `${count(run.taken, "crop")} of ${label} taken.`);
    if (failures.length === tracks.length) break; // nothing comes: go on only when asked again
  } while (run.held && capturing === run);
  if (capturing === run) capturing = null;
  run.held = false;
  const words = [...failures, ...notes].map(({ track, message }) => (track ? `Face ${track}: ${message}` : message)).join(" ");
  say(captureStatus, `${count(run.taken, "crop")} of ${label} taken.${words ? ` ${words}` : ""}`, failures.length > 0);
  await refreshCrops(run.taken > 0);
  updateTeach();
}, () => {
  letGo();
  updateTeach();
});

/** Teaches a task anew with all its labels that have samples; also used by the list of tasks. */
export async function teach(task, taskKind) {
  const version = taskNamed(task)?.version ?? 0;
  const reply = await api.post("teach", { task, kind: taskKind, labels: [] });
  if (reply.success && task === taskName()) told = { name: task, version, begun: false };
  return reply;
}

teachButton.addEventListener("click", async () => {
  if (isOff(teachButton)) return;
  setOff(teachButton, true);
  say(teachStatus, "Asking the node …");
  const reply = await teach(taskName(), kind());
  say(teachStatus, reply.message, !reply.success);
  updateTeach();
});

cancelButton.addEventListener("click", async () => {
  if (isOff(cancelButton)) return;
  const reply = await api.post("cancel", { task: taskName() });
  say(teachStatus, reply.message, !reply.success);
});
