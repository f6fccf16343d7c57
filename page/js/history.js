// The last minute of each task: a line for each track, either of the answers or of one label's probability.

import { byId, el, icon, keyed, setAttr, setIcon, setText, show } from "./dom.js";
import { patience, pictureState } from "./store.js";
import { DASHES, history, MINUTE } from "./tracks.js";

const LANE = 18;
const TALL = 96; // height of a chart of probabilities
const EDGE = 8;
const GAP = 3000; // nothing for so long, or longer where pictures come seldom: the line is broken

const list = byId("history-list");
const empty = byId("history-empty");

export function updateHistory() {
  const now = performance.now();
  const tasks = history(now);
  keyed(list, tasks, ({ task, labels }) => `${task}\n${labels.join("\n")}`, createChart, (node, task) => draw(node, task, now));
  const tracks = new Map(tasks.flatMap((task) => task.tracks).map(({ track, slot }) => [track, slot]));
  keyed(byId("history-legend"), [...tracks], ([track]) => track, createKey, updateKey);
  const live = pictureState() === "live";
  setText(empty, live ? "Nothing yet. Lines begin when a face is judged." : "Nothing in the last minute, and no picture comes now.");
  show(empty, tasks.length === 0);
}

const createKey = ([track, slot]) => {
  const canvas = el("canvas", { width: "44", height: "4", class: "dash", "aria-hidden": "true" });
  return el("li", { data: { slot } }, icon("shape-0", "shape"), el("bdi", { text: track }), canvas);
};

/** Shape, name, and the line as it is drawn. */
function updateKey(item, [, slot]) {
  setAttr(item, "data-slot", slot);
  setIcon(item.firstElementChild, `shape-${slot}`);
  const pen = item.lastElementChild.getContext("2d");
  pen.clearRect(0, 0, 44, 4);
  pen.strokeStyle = getComputedStyle(item).getPropertyValue(`--track-${slot}`);
  pen.lineWidth = 4;
  pen.setLineDash(DASHES[slot].map((length) => 2 * length));
  pen.beginPath();
  pen.moveTo(0, 2);
  pen.lineTo(44, 2);
  pen.stroke();
}

function createChart({ task, labels }) {
  const pick = el("select", { data: { test: "history-label", task }, "aria-label": `What the lines of ${task} show` },
    el("option", { value: "", text: "its answer" }),
    ...labels.map((label, at) => el("option", { value: String(at), text: `how likely: ${label}` })),
    el("option", { value: "unknown", text: "how likely: unknown" }));
  const node = el("li", { class: "card", data: { test: "history", task } },
    el("div", { class: "card-head" }, el("h3", { text: task }), pick),
    el("div", { class: "chart" }, el("div", { class: "axis" }), el("canvas", { role: "img" })),
    el("div", { class: "times", "aria-hidden": "true" }, ...["1 min ago", "30 s", "now"].map((text) => el("span", { text }))));
  return Object.assign(node, { pick });
}

function draw(node, { task, labels, tracks }, now) {
  const chosen = node.pick.value;
  const [, chart] = node.children;
  const [axis, canvas] = chart.children;
  const lanes = chosen === "" ? [...labels, "unknown"] : ["100%", "50%", "0%"];
  const height = chosen === "" ? lanes.length * LANE : TALL;
  axis.style.height = canvas.style.height = `${height}px`;
  axis.classList.toggle("shares", chosen !== "");
  keyed(axis, lanes.map((text, at) => ({ text, at })), ({ text, at }) => `${at} ${text}`, ({ text }) => el("bdi", { text }));
  const width = canvas.clientWidth;
  if (width === 0) return;
  const scale = Math.min(devicePixelRatio, 2);
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const style = getComputedStyle(canvas);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  grid(pen, width, height, chosen === "" ? lanes.length : 0, style.getPropertyValue("--line"));
  tracks.forEach(({ slot, points }, at) => {
    pen.strokeStyle = pen.fillStyle = style.getPropertyValue(`--track-${slot}`);
    pen.lineWidth = 2;
    pen.setLineDash(DASHES[slot]);
    const offset = chosen === "" ? (at - (tracks.length - 1) / 2) * Math.min(3, 12 / tracks.length) : 0;
    line(pen, points, now, width, chosen === "", (point) => offset + level(point, chosen, labels, height));
  });
  pen.setLineDash([]);
  setAttr(canvas, "aria-label", inWords(task, tracks));
}

function grid(pen, width, height, lanes, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.setLineDash([]);
  pen.beginPath();
  const rows = lanes > 0 ? [...Array(lanes).keys()].map((lane) => (lane + 0.5) * LANE) : [EDGE, height / 2, height - EDGE];
  for (const y of rows) {
    pen.moveTo(0, Math.round(y) + 0.5);
    pen.lineTo(width, Math.round(y) + 0.5);
  }
  pen.stroke();
}

function level({ label, shares, unknown }, chosen, labels, height) {
  if (chosen === "") return ((label === null ? labels.length : labels.indexOf(label)) + 0.5) * LANE;
  const share = chosen === "unknown" ? unknown : (shares[Number(chosen)] ?? 0);
  return height - EDGE - share * (height - 2 * EDGE);
}

function line(pen, points, now, width, steps, y) {
  const gap = patience(GAP);
  pen.beginPath();
  let before = null;
  for (const point of points) {
    const x = width * (1 - (now - point.at) / MINUTE);
    if (before === null || point.at - before.at > gap) pen.moveTo(x, y(point));
    else {
      if (steps) pen.lineTo(x, y(before));
      pen.lineTo(x, y(point));
    }
    before = point;
  }
  pen.stroke();
}

/** What somebody hears who does not see the lines. */
function inWords(task, tracks) {
  const parts = tracks.map(({ track, points }) => {
    const often = new Map();
    for (const { label } of points) often.set(label, (often.get(label) ?? 0) + 1);
    const [label, n] = [...often].sort((a, b) => b[1] - a[1])[0];
    return `face ${track} ${label ?? "unknown"} ${Math.round((10 * n) / points.length) * 10}% of the time`;
  });
  return `${task} in the last minute: ${parts.join("; ")}`;
}
