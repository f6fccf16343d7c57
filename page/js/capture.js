// Hold to capture: as long as the button is held, batches of crops of every marked face are taken, one after the other.

import * as api from "./api.js";
import { isOff } from "./dom.js";

export const BATCH = { count: 5, seconds: 1 };

/**
 * Calls `begin()` when `button` is pressed by pointer, Space or Enter, and `end()` when it is let go, or cannot be held any
 * longer. A click without a press (screen readers, voice control) is a tap.
 */
export function holdable(button, begin, end) {
  let held = false;
  let pressedAt = -Infinity;
  const press = () => {
    if (held || isOff(button)) return;
    held = true;
    pressedAt = performance.now();
    begin();
  };
  const release = () => {
    if (!held) return;
    held = false;
    pressedAt = performance.now();
    end();
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    try {
      button.setPointerCapture(event.pointerId); // so that letting go elsewhere is heard
    } catch {
      // The pointer is gone already: `pointerup` or `blur` ends it.
    }
    press();
  });
  for (const event of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(event, release);
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  button.addEventListener("keyup", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    release();
  });
  button.addEventListener("click", () => {
    if (held || performance.now() - pressedAt < 700) return;
    press();
    release();
  });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  addEventListener("blur", release);
  document.addEventListener("visibilitychange", () => document.hidden && release());
  return release;
}

/** One batch of each of `tracks` at the same time: for each `{track, captured, failure}`, `failure` in words or "". */
export function batch(task, label, camera, tracks) {
  return Promise.all(tracks.map(async (track) => {
    const { success, message, captured } = await api.capture({ task, label, camera, track_id: track, ...BATCH });
    return { track, captured: success ? Number(captured) || 0 : 0, failure: success ? "" : message };
  }));
}
