// A card for each face: what every task says of it, `unknown` always with it, and how good the picture of the face is.

import { byId, el, icon, keyed, percent, setAttr, setIcon, setText, show } from "./dom.js";
import { explain } from "./explain.js";
import { pictureState, store, toggleMark } from "./store.js";
import { slotOf } from "./tracks.js";

const FEW = 4; // of more labels than this only the likeliest are shown, until asked for all
const TOP = 3;
const CHOSEN_MS = 1000; // how long the choice of the likeliest stays: rows that jump cannot be read
const QUALITIES = ["size", "sharpness", "frontality", "brightness"];

const list = byId("faces-list");
const empty = byId("faces-empty");
const allLabels = new Set(); // tasks of which all labels are shown, in every card

export function updateFaces() {
  const faces = [...store.faces].sort((a, b) => slotOf(a.track_id) - slotOf(b.track_id));
  keyed(list, faces, (face) => face.track_id, createCard, updateCard);
  const text = {
    lost: store.refused
      ? "The node shows this page nothing."
      : "The connection is lost. What was seen last is not shown: it may no longer be so.",
    none: "No picture comes, so no face can be found.",
    waiting: "Waiting for a picture.",
    live: "Nobody there. As soon as a face is in the picture, it is listed here.",
  }[pictureState()];
  setText(empty, text);
  show(empty, faces.length === 0);
}

function createCard({ track_id: track }) {
  const mark = el("button", { type: "button", class: "mark", data: { test: "face-mark", track } },
    icon("check", "tick"), el("span", { text: "Mark" }));
  mark.addEventListener("click", () => toggleMark(track));
  return el("li", { class: "card", data: { test: "face-card", track } },
    el("div", { class: "card-head" }, icon("shape-0", "shape"), el("h3", {}, "Face ", el("bdi", { text: track })), mark),
    el("p", { class: "quiet waits", text: "Not judged yet." }),
    el("div", { class: "answers" }),
    createQuality());
}

function updateCard(card, face) {
  const [head, waits, answers, quality] = card.children;
  const slot = slotOf(face.track_id);
  setAttr(card, "data-slot", slot);
  setIcon(head.firstElementChild, `shape-${slot}`);
  const marked = store.marked.has(face.track_id);
  const mark = head.lastElementChild;
  setAttr(mark, "aria-pressed", String(marked));
  setAttr(mark, "aria-label", `Mark face ${face.track_id}`);
  setText(mark.lastElementChild, marked ? "Marked" : "Mark");
  const judged = face.attributes ?? [];
  show(waits, judged.length === 0);
  keyed(answers, judged, (answer) => `${answer.task}\n${answer.labels.join("\n")}`,
    (answer) => createAnswer(answer, face.track_id), updateAnswer);
  updateQuality(quality, face.quality);
}

function createBar(name, unknown = false) {
  return el("div", { class: unknown ? "bar unknown" : "bar", data: { test: "bar" } },
    el("bdi", { class: "bar-name", text: name, title: name }),
    el("span", { class: "bar-track" }, el("span", { class: "bar-fill" })),
    el("span", { class: "bar-number" }));
}

function fill(bar, share) {
  bar.children[1].firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  setText(bar.lastElementChild, percent(share));
}

function createAnswer(answer, track) {
  const { task } = answer;
  const rows = [...answer.labels, null].map((label) => createBar(label ?? "unknown", label === null));
  const more = el("button", { type: "button", class: "link", data: { test: "all-labels", task } });
  more.addEventListener("click", () => allLabels.delete(task) || allLabels.add(task));
  const why = el("button", { type: "button", class: "link", data: { test: "explain", track, task }, text: "Where it looks" });
  setAttr(why, "aria-label", `Where it looks: ${task}, face ${track}`);
  why.addEventListener("click", () => explain(track, task));
  const node = el("div", { role: "group", class: "answer", data: { test: "answer", task }, "aria-label": task },
    el("div", { class: "answer-head" }, el("h4", { text: task }), el("bdi", { class: "says", data: { test: "answer-label" } })),
    el("div", { class: "bars" }, ...rows),
    el("div", { class: "answer-foot" }, answer.labels.length > FEW ? more : null, why));
  Object.assign(node, { rows, more, chosen: new Set(), chosenAt: 0 });
  return node;
}

function updateAnswer(node, answer) {
  const { rows, more } = node;
  const says = node.firstElementChild.lastElementChild;
  setText(says, answer.label ?? "unknown");
  says.classList.toggle("unknown", answer.label === null);
  const all = answer.labels.length <= FEW || allLabels.has(answer.task);
  setText(more, all ? "Only the likeliest" : `All ${answer.labels.length} labels`);
  setAttr(more, "aria-expanded", String(all));
  const now = performance.now();
  if (now - node.chosenAt > CHOSEN_MS) {
    node.chosenAt = now;
    const order = answer.probabilities.map((share, at) => [share, at]).sort((a, b) => b[0] - a[0]);
    node.chosen = new Set(order.slice(0, TOP).map(([, at]) => at));
  }
  rows.forEach((row, at) => {
    const unknown = at === answer.labels.length;
    show(row, unknown || all || node.chosen.has(at));
    if (row.hidden) return;
    row.classList.toggle("best", unknown ? answer.label === null : answer.label === answer.labels[at]);
    fill(row, unknown ? answer.unknown : (answer.probabilities[at] ?? 0));
  });
}

function createQuality() {
  const word = el("span", { class: "quality-word", data: { test: "quality" } });
  return el("details", { class: "quality" },
    el("summary", {}, "Quality of the face ", word),
    el("div", { class: "bars" }, ...QUALITIES.map((name) => createBar(name))));
}

function updateQuality(node, quality) {
  show(node, Boolean(quality));
  if (!quality) return;
  const word = quality.overall >= 0.6 ? "good" : quality.overall >= 0.3 ? "fair" : "poor";
  setText(node.firstElementChild.lastElementChild, `${word}, ${percent(quality.overall)}`);
  setAttr(node, "data-word", word);
  if (!node.open) return;
  QUALITIES.forEach((name, at) => fill(node.lastElementChild.children[at], quality[name]));
}
