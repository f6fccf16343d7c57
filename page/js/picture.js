// The live picture with its faces. The newest frame wins: while one is being decoded, those that come replace each other.

import { byId, el, icon, keyed, percent, setAttr, setIcon, setText, show, sleep } from "./dom.js";
import { pictureState, set, store, toggleMark } from "./store.js";
import { slotOf } from "./tracks.js";

const SHORTEST_MS = 95; // about ten pictures a second at most
const ROOM_FOR_ROWS = 520; // pixels of stage from which on labels are written below boxes

const stage = byId("stage");
const canvas = byId("canvas");
const overlay = byId("overlay");
const note = byId("picture-note");
let next = null;
let busy = false;
let drawnAt = 0;
let width = 0;

new ResizeObserver(([entry]) => {
  width = entry.contentRect.width;
  stage.classList.toggle("small", width < ROOM_FOR_ROWS);
}).observe(stage);

/** Hands over a frame that came. */
export function offer(frame) {
  next = frame;
  if (!busy) pump();
}

/** Takes the faces away; the picture stays, marked as old. */
export function clearFaces() {
  next = null;
  set("faces", { faces: [] });
  drawFaces({ faces: [], width: 1, height: 1 });
}

async function pump() {
  busy = true;
  try {
    while (next) {
      await sleep(SHORTEST_MS - (performance.now() - drawnAt));
      if (!next) break;
      const frame = next;
      next = null;
      const bitmap = await decode(frame);
      await new Promise(requestAnimationFrame);
      if (store.link !== "live" || frame.camera !== (store.camera ?? frame.camera)) {
        bitmap?.close();
        continue;
      }
      drawnAt = performance.now();
      draw(frame, bitmap);
    }
  } finally {
    busy = false;
  }
}

async function decode(frame) {
  if (frame.jpeg.length === 0) return null;
  const blob = new Blob([frame.jpeg], { type: "image/jpeg" });
  const room = Math.round(width * Math.min(devicePixelRatio, 2));
  try {
    if (room > 0 && frame.width > 1.3 * room) {
      // Made small beside the main thread: a 4K picture would hold that up.
      const resizeHeight = Math.max(1, Math.round((room * frame.height) / frame.width));
      return await createImageBitmap(blob, { resizeWidth: room, resizeHeight });
    }
    return await createImageBitmap(blob);
  } catch {
    set("broken", { brokenAt: performance.now() });
    return null;
  }
}

function draw(frame, bitmap) {
  const ratio = `${frame.width} / ${frame.height}`;
  if (stage.style.aspectRatio !== ratio) {
    stage.style.aspectRatio = ratio;
    stage.style.setProperty("--ratio", frame.width / frame.height);
  }
  if (bitmap) {
    const { width: w, height: h } = bitmap;
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    bitmap.close();
  }
  drawFaces(frame);
  set("faces", { faces: frame.faces });
}

function drawFaces(frame) {
  const faces = [...frame.faces].sort((a, b) => slotOf(a.track_id) - slotOf(b.track_id));
  keyed(overlay, faces, (face) => face.track_id, createFace, (node, face) => updateFace(node, face, frame));
}

function createFace(face) {
  const track = face.track_id;
  return el("button", { type: "button", class: "face", data: { test: "face", track }, on: { click: () => toggleMark(track) } },
    el("span", { class: "tag" }, icon("shape-0", "shape"), el("bdi", { text: track }), icon("check", "tick")),
    el("span", { class: "rows" }));
}

function updateFace(node, face, frame) {
  const { x, y, width: w, height: h } = face.roi;
  const place = { left: x / frame.width, top: y / frame.height, width: w / frame.width, height: h / frame.height };
  for (const [side, share] of Object.entries(place)) node.style[side] = `${(100 * share).toFixed(2)}%`;
  const slot = slotOf(face.track_id);
  setAttr(node, "data-slot", slot);
  setIcon(node.firstElementChild.firstElementChild, `shape-${slot}`);
  node.classList.toggle("high", place.top < 0.1);
  node.classList.toggle("low", place.top + place.height > 0.8);
  node.classList.toggle("right", place.left + place.width / 2 > 0.6);
  setAttr(node, "aria-pressed", String(store.marked.has(face.track_id)));
  const now = Math.floor(performance.now() / 1000);
  if (node.named !== now) {
    node.named = now; // a name that changes ten times a second cannot be read out
    setAttr(node, "aria-label", `Face ${face.track_id}: ${words(face)}`);
  }
  const answers = store.link === "live" ? (face.attributes ?? []) : [];
  const labels = answers.map(({ label }) => label);
  // A label of two tasks, and `unknown`, say too little without their task.
  const twice = new Set(labels.filter((label, at) => label === null || labels.indexOf(label) !== at));
  keyed(node.lastElementChild, answers.slice(0, 5), (answer) => answer.task, createRow,
    (row, answer) => updateRow(row, answer, twice.has(answer.label)));
}

function words(face) {
  const answers = (face.attributes ?? []).map((answer) =>
    answer.label === null ? `${answer.task} unknown` : `${answer.task} ${answer.label} ${percent(answer.confidence)}`);
  return answers.length > 0 ? answers.join(", ") : "not judged yet";
}

const createRow = () => el("span", { class: "row" }, el("span", { class: "fill" }), el("bdi", {}), el("span", { class: "number" }));

function updateRow(node, answer, withTask) {
  const [fill, name, number] = node.children;
  const share = answer.label === null ? answer.unknown : answer.confidence;
  node.classList.toggle("unknown", answer.label === null);
  fill.style.width = percent(share);
  const says = answer.label ?? "unknown";
  setText(name, withTask ? `${answer.task}: ${says}` : says);
  setText(number, percent(share));
}

/** The words over the picture: what state it is in. Called some times a second. */
export function describePicture() {
  const state = pictureState();
  if (state !== "live" && store.faces.length > 0) clearFaces(); // they may no longer be there
  const decoding = performance.now() - store.brokenAt < 3000 && store.brokenAt > 0;
  const text = {
    lost: store.refused ? "Not live: the node shows this page nothing." : "Not live: the connection is lost.",
    none: "No picture comes from the camera.",
    waiting: store.frameAt > 0 ? "The picture stands still. Waiting for the next one." : "Waiting for the first picture.",
    live: decoding ? "A picture came that could not be decoded." : store.faces.length === 0 ? "Nobody there: no face is seen in the picture." : "",
  }[state];
  setText(note, text);
  show(note, text !== "");
  setAttr(stage, "data-state", state === "live" && decoding ? "broken" : state);
  const faces = store.faces.length;
  setText(byId("picture-count"), state !== "live" ? "" : faces === 1 ? "1 face" : `${faces} faces`);
}

/** Only the marks have changed. */
export function showMarks() {
  for (const node of overlay.children) setAttr(node, "aria-pressed", String(store.marked.has(node.dataset.track)));
}
