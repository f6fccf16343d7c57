// One dialog for all questions: before something is erased, for an export, for an import.

import { byId, el, isOff, setOff, setText, show } from "./dom.js";

const dialog = byId("dialog");
const title = byId("dialog-title");
const body = byId("dialog-body");
const failed = byId("dialog-error");
const yes = byId("dialog-confirm");
const no = byId("dialog-cancel");
let run = null;

/**
 * Asks. `content` are elements; `act()` does it, and returns `{success, message}`: on success the dialog closes, else the
 * message is shown in it. Resolves to the reply, or to `null` when it was called off.
 */
export function ask({ heading, content, confirm, erases, act }) {
  if (dialog.open) return Promise.resolve(null);
  setText(title, heading);
  body.replaceChildren(...content);
  setText(yes, confirm);
  yes.classList.toggle("danger", erases);
  yes.classList.toggle("primary", !erases);
  show(failed, false);
  ready(true, confirm);
  dialog.showModal();
  if (erases) no.focus();
  return new Promise((done) => {
    let reply = null;
    run = async () => {
      if (isOff(yes)) return;
      ready(false, "One moment …");
      show(failed, false);
      const answer = await act();
      ready(true, confirm);
      if (!answer.success) {
        setText(failed, answer.message);
        show(failed, true);
        return;
      }
      reply = answer;
      dialog.close();
    };
    dialog.addEventListener("close", () => done(reply), { once: true });
  });
}

function ready(is, words) {
  setOff(yes, !is);
  setText(yes, words);
}

yes.addEventListener("click", () => run?.());
no.addEventListener("click", () => dialog.close());
dialog.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.type !== "text") return;
  event.preventDefault();
  run?.();
});

/** A checkbox with its words. */
export function tick(words, hook, checked = false) {
  const input = el("input", { type: "checkbox", data: { test: hook }, checked });
  return { input, node: el("label", { class: "tick-line" }, input, el("span", {}, ...[words].flat())) };
}

export const says = (...words) => el("p", {}, ...words);
export const named = (text) => el("strong", {}, el("bdi", { class: "foreign", text }));
