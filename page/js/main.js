// Puts the page together: what comes from the node goes into the store, and the views follow it.
// Files, ids and data-test names that tests may rely on: README.md beside index.html.

import { Connection } from "./connection.js";
import { followCrops, freshCrops } from "./crops.js";
import { byId, el, keyed, setText, show, throttle } from "./dom.js";
import { updateFaces } from "./faces.js";
import { setRetry, updateHealth, updateRetry } from "./health.js";
import { updateHistory } from "./history.js";
import { clearFaces, describePicture, offer, showMarks } from "./picture.js";
import { keepMarks, on, patience, pictureState, set, store } from "./store.js";
import { freshTasks, updateTasks } from "./tasks.js";
import { freshTeach, updateTeach } from "./teach.js";
import { clearTracks, note, present } from "./tracks.js";

const GONE_MS = 3000; // a mark stays so long on a face that is not seen, or longer where pictures come seldom
let liveSince = 0;

const connection = new Connection({
  told(message) {
    if (message.kind === "hello") hello(message);
    else if (message.kind === "tasks") set("tasks", { tasks: message.tasks ?? [] });
    else if (message.kind === "health") set("health", { health: message });
    else if (message.kind === "refused") refused(message);
  },
  seen(frame) {
    if (store.link !== "live") return;
    const now = performance.now();
    store.frameAt = now;
    note(frame.faces, now);
    offer(frame);
  },
  link(state, seconds, refused) {
    if (state === "lost") {
      setRetry(seconds);
      clearFaces();
    }
    set("link", { link: state, refused });
  },
});

/** The node is there (again). Where it was started anew, what was seen before is old; its tasks stay until it names them. */
function hello(message) {
  const cameras = message.cameras ?? [];
  const same = store.hello !== null && message.instance === store.hello.instance;
  if (!same) forgetFaces();
  liveSince = performance.now();
  set("hello", { hello: message, frameAt: 0, health: same ? store.health : null });
  setText(byId("node"), message.node ?? "");
  showCameras(cameras);
  if (!same) {
    freshTeach();
    freshTasks();
  }
  freshCrops(same);
}

/** The node shows nothing, and says why. A camera that it does not have is not asked for again. */
function refused({ message, hello: said }) {
  const cameras = said?.cameras ?? [];
  if (store.camera === null || cameras.length === 0 || cameras.includes(store.camera)) return; // the banner has the reason
  set("hello", { cameraGone: message });
  watch(null);
}

/** What was seen is another node's, or another camera's. */
function forgetFaces() {
  clearTracks();
  clearFaces();
  keepMarks(new Set());
}

function watch(camera) {
  forgetFaces();
  set("hello", { camera, frameAt: 0 });
  connection.open(camera);
}

function showCameras(cameras) {
  const pick = byId("camera");
  show(byId("camera-pick"), cameras.length > 1);
  keyed(pick, cameras, (name) => name, (name) => el("option", { value: name, text: name || "the camera" }));
  pick.value = store.camera ?? cameras[0] ?? "";
}

byId("camera").addEventListener("change", ({ target }) => {
  set("hello", { cameraGone: "" });
  watch(target.value);
});

const faces = throttle(150, updateFaces);
const teach = throttle(100, updateTeach);
const tasks = throttle(100, updateTasks);
const health = throttle(100, updateHealth);
on("faces", faces);
on("marks", showMarks);
on("marks", faces);
on("marks", teach);
on("tasks hello link", teach);
on("tasks hello link", tasks);
on("tasks", followCrops);
on("health hello link", health);
on("health hello link faces broken", throttle(100, describePicture));

setInterval(() => {
  const now = performance.now();
  const missing = patience(GONE_MS);
  const certain = pictureState(now) === "live" && now - liveSince > missing;
  const gone = certain ? keepMarks(present(now, missing)) : [];
  const names = gone.map((track) => `Face ${track}`).join(", ");
  if (gone.length > 0) setText(byId("marks-said"), `No longer in the picture, so no longer marked: ${names}.`);
  describePicture();
  updateRetry();
  updateHistory();
  teach();
}, 500);
setInterval(faces, 1000);

updateHealth();
updateTeach();
updateTasks();
updateFaces();
describePicture();
connection.open(null);
