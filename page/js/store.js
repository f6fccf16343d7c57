// What the page knows, and who wants to hear of changes. Views read `store`; only the functions here write to it.

export const store = {
  link: "connecting", // "connecting", "live" or "lost"
  hello: null,
  tasks: null, // null: not told yet
  health: null,
  camera: null, // the camera asked for; null: the first
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
export const isShipped = (task) => !task.taught && (task.state === "ready" || task.state === "silent");
/** Whether it was taught here, and answers or did: an untaught one may keep the version of a column that was removed. */
export const hasColumn = (task) => task.taught && task.version > 0 && task.state !== "untaught";
export const taskNamed = (name) => store.tasks?.find((task) => task.name === name) ?? null;
export const mayChange = () => store.link === "live" && store.hello?.may_change === true;

/** Why nothing can be changed now, in words; "" when it can. */
export function whyNot() {
  if (store.link !== "live") return "There is no connection to the node.";
  if (!store.hello) return "The node has not said yet what may be changed.";
  if (store.hello.may_change) return "";
  return store.hello.why_not || "The node does not let this page change tasks.";
}

/** Whether the camera that is shown gives pictures: "live", "waiting", "none" (the node gets none) or "lost". */
export function pictureState(now = performance.now()) {
  if (store.link === "lost") return "lost";
  const told = cameraHealth();
  if (told && !told.picture) return "none";
  return store.frameAt > 0 && now - store.frameAt < 4000 ? "live" : "waiting";
}

/** What the node last said of the camera that is shown. */
export function cameraHealth() {
  const name = store.camera ?? store.hello?.cameras?.[0] ?? "";
  return store.health?.cameras?.find((camera) => camera.name === name) ?? null;
}
