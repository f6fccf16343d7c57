// One dialog for all questions: before something is erased, for an export, for an import.

import { byId, el, setOff, setText, show } from "./dom.js";

const dialog = byId("dialog");
const title = byId("dialog-title");
const body = byId("dialog-body");
const failed = byId("dialog-error");
const yes = byId("dialog-confirm");
const no = byId("dialog-cancel");
let current = null; // the question that is shown: {confirm, act, running, done}

/**
 * Asks. `content` are elements; `act()` does it, and returns `{success, message}`: on success the dialog closes, else the
 * message is shown in it. Resolves to the reply, or to `null` when it was called off. Who closes the dialog while `act` runs does not
 * stop that: the reply, good or bad, is then for the caller to tell.
 */
export function ask({ heading, content, confirm, erases, act }) {
  if (dialog.open) return Promise.resolve(null);
  leave(); // the event of a dialog that was closed just now may be still to come
  setText(title, heading);
  body.replaceChildren(...content);
  yes.classList.toggle("danger", erases);
  yes.classList.toggle("primary", !erases);
  show(failed, false);
  return new Promise((done) => {
    current = { confirm, act, running: false, done };
    ready(true);
    dialog.showModal();
    if (erases) no.focus();
  });
}

async function run() {
  const question = current;
  if (!question || question.running) return;
  question.running = true;
  ready(false);
  show(failed, false);
  const reply = await question.act();
  question.running = false;
  if (question !== current) return question.done(reply); // closed meanwhile: another question may be there
  if (reply.success) {
    current = null;
    dialog.close();
    return question.done(reply);
  }
  ready(true);
  setText(failed, reply.message);
  show(failed, true);
}

function leave() {
  const question = current;
  current = null;
  if (question && !question.running) question.done(null);
}

function ready(is) {
  setOff(yes, !is);
  setText(yes, is ? current.confirm : "One moment …");
  setText(no, is ? "Go back" : "Close, let it go on");
}

yes.addEventListener("click", run);
no.addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => !dialog.open && leave());
dialog.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.type !== "text") return;
  event.preventDefault();
  run();
});

/** A checkbox with its words. */
export function tick(words, hook, checked = false) {
  const input = el("input", { type: "checkbox", data: { test: hook }, checked });
  return { input, node: el("label", { class: "tick-line" }, input, el("span", {}, ...[words].flat())) };
}

export const says = (...words) => el("p", {}, ...words);
export const named = (text) => el("strong", {}, el("bdi", { class: "foreign", text }));
/** Names, with commas between. */
export const listed = (names) => names.flatMap((name, at) => (at > 0 ? [", ", named(name)] : [named(name)]));
