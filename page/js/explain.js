// Where a task looks in a face, on demand: a picture that is asked for again and again while it is open.

import * as api from "./api.js";
import { byId, setText, show, sleep } from "./dom.js";
import { store } from "./store.js";

const EVERY_MS = 1500;

const dialog = byId("explanation");
const picture = byId("explanation-picture");
const message = byId("explanation-message");
let shown = null; // address of the picture that is shown
let turn = 0;

export async function explain(track, task) {
  if (dialog.open) return;
  const mine = ++turn;
  setText(byId("explanation-title"), `Where ${task} looks in face ${track}`);
  picture.alt = `Face ${track} with the pixels marked that ${task} looks at`;
  show(picture, false);
  say("The node works it out. This may take some seconds.");
  dialog.showModal();
  while (dialog.open && mine === turn) {
    const camera = store.camera ?? store.hello?.cameras?.[0] ?? "";
    const reply = await api.explanation(camera, track, task);
    if (!dialog.open || mine !== turn) return;
    if (reply.success) {
      put(URL.createObjectURL(reply.blob));
      say("");
    } else {
      say(reply.message);
    }
    await sleep(EVERY_MS);
  }
}

function put(address) {
  const old = shown;
  shown = address;
  picture.src = address;
  show(picture, true);
  if (old) URL.revokeObjectURL(old);
}

function say(words) {
  setText(message, words);
  show(message, words !== "");
}

picture.addEventListener("error", () => shown && say("The picture of the node could not be decoded."));
byId("explanation-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  turn += 1;
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  picture.removeAttribute("src");
});
