// What the page knows, and who wants to hear of changes. Views read `store`; only the functions here write to it.

export const store = {
  link: "connecting", // "connecting", "live" or "lost"
  hello: null,
  tasks: null, // null: not told yet
  health: null,
  camera: null, // the camera asked for; null: the first
  refused: "", // why the node lets this page see nothing
  cameraGone: "", // what the node said of a camera that is not there any more
  faces: [], // of the newest picture that was drawn
  frameAt: 0, // when the newest frame came (performance.now), 0: none since the connection began
  brokenAt: 0, // when a picture could not be decoded last
  marked: new Set(), // track ids
};

const listeners = new Map();

/** Calls `listener` at every change of `topic`: link, hello, tasks, health, faces, marks. */
export function on(topics, listener) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, []);
    listeners.get(topic).push(listener);
  }
}

export function set(topic, values) {
  Object.assign(store, values);
  for (const listener of listeners.get(topic) ?? []) listener();
}

export function toggleMark(track) {
  if (!store.marked.delete(track)) store.marked.add(track);
  set("marks", {});
}

/** Takes the marks from tracks that have gone. */
export function keepMarks(present) {
  const gone = [...store.marked].filter((track) => !present.has(track));
  for (const track of gone) store.marked.delete(track);
  if (gone.length > 0) set("marks", {});
  return gone;
}

/** Whether a task came with the model: it can be looked at, not changed. */
export const isShipped = (task) => !task.taught && task.state === "ready";
/** Whether it answers or may be exported: not before its first training has ended well. */
export const hasColumn = (task) => task.has_column ?? (task.taught && task.version > 0 && task.state === "ready");
/** Whether crops of it can be captured, and it can be taught; `null`: a new one. */
export const isTeachable = (task) => task === null || (!isShipped(task) && !task.silent);
/** The crops that are kept now, of labels in the column or not: `[{label, count}]`. */
export const cropsOf = (task) =>
  task.crops ?? task.labels.map((label, at) => ({ label, count: task.samples[at] ?? 0 })).filter(({ count }) => count > 0);
export const totalCrops = (task) => cropsOf(task).reduce((sum, { count }) => sum + count, 0);
/** All labels with their crops: those of the column first, then those that only have crops. */
export function labelsOf(task) {
  const counts = new Map([...task.labels.map((label) => [label, 0]), ...cropsOf(task).map(({ label, count }) => [label, count])]);
  return [...counts].map(([label, count]) => ({ label, count, learned: hasColumn(task) && task.labels.includes(label) }));
}
export const taskNamed = (name) => store.tasks?.find((task) => task.name === name) ?? null;
export const mayChange = () => store.link === "live" && store.hello?.may_change === true;

/** Why nothing can be changed now, in words; "" when it can. */
export function whyNot() {
  if (store.link !== "live") return store.refused || "There is no connection to the node.";
  if (!store.hello) return "The node has not said yet what may be changed.";
  if (store.hello.may_change) return "";
  return store.hello.why_not || "The node does not let this page change tasks.";
}

/** Whether the camera that is shown gives pictures: "live", "waiting", "none" (the node gets none) or "lost". */
export function pictureState(now = performance.now()) {
  if (store.link === "lost") return "lost";
  const told = cameraHealth();
  if (told && !told.picture) return "none";
  return store.frameAt > 0 && now - store.frameAt < patience(4000) ? "live" : "waiting";
}

const PERIODS = 5; // pictures that may fail to come
/** How long one waits for what each picture may bring: `ms`, or longer where pictures come seldom. */
export function patience(ms) {
  const rate = store.hello?.rate_hz;
  return Math.max(ms, rate > 0 ? (PERIODS * 1000) / rate : 0);
}

/** What the node last said of the camera that is shown. */
export function cameraHealth() {
  const name = store.camera ?? store.hello?.cameras?.[0] ?? "";
  return store.health?.cameras?.find((camera) => camera.name === name) ?? null;
}
