// Where a task looks in a face, on demand: a picture that is asked for again and again while it is open and looked at.

import * as api from "./api.js";
import { byId, setText, show, sleep } from "./dom.js";
import { store } from "./store.js";

const EVERY_MS = 1500;
const LONGEST_MS = 60000; // each picture costs the node much: after so long it is asked again only when told

const dialog = byId("explanation");
const picture = byId("explanation-picture");
const message = byId("explanation-message");
const go = byId("explanation-go");
let shown = null; // address of the picture that is shown
let turn = 0; // another one at each start and stop: what belongs to an old one ends
let begin = () => {};

export function explain(track, task) {
  if (dialog.open) return;
  setText(byId("explanation-title"), `Where ${task} looks in face ${track}`);
  picture.alt = `Face ${track} with the pixels marked that ${task} looks at`;
  forget();
  dialog.showModal();
  begin = () => ask(track, task);
  begin();
}

async function ask(track, task) {
  const mine = ++turn;
  const began = performance.now();
  setText(go, "Stop");
  say(shown ? "" : "The node works it out. This may take some seconds.");
  while (performance.now() - began < LONGEST_MS) {
    await looked();
    if (mine !== turn) return;
    const camera = store.camera ?? store.hello?.cameras?.[0] ?? "";
    const reply = await api.explanation(camera, track, task);
    if (mine !== turn) return;
    if (reply.success) put(URL.createObjectURL(reply.blob));
    say(reply.success ? "" : reply.message);
    await sleep(EVERY_MS);
    if (mine !== turn) return;
  }
  stop("Stopped after a minute: this costs the node much.");
}

function stop(words) {
  turn += 1;
  setText(go, "Go on");
  say(words);
}

/** Waits until the page is looked at. */
async function looked() {
  while (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
}

function put(address) {
  const old = shown;
  shown = address;
  picture.src = address;
  show(picture, true);
  if (old) URL.revokeObjectURL(old);
}

function forget() {
  turn += 1;
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  show(picture, false);
  picture.removeAttribute("src");
}

function say(words) {
  setText(message, words);
  show(message, words !== "");
}

picture.addEventListener("error", () => shown && say("The picture of the node could not be decoded."));
go.addEventListener("click", () => (go.textContent === "Stop" ? stop("Stopped.") : begin()));
byId("explanation-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => !dialog.open && forget());
