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

/**
 * One batch of each of `tracks` at the same time. Returns how many crops were stored and what went wrong,
 * `{captured, failures: [{track, message}], notes}`; notes say why a batch has fewer crops than were asked for.
 */
export async function batch(task, label, camera, tracks) {
  const replies = await Promise.all(tracks.map(async (track) => {
    const reply = await api.capture({ task, label, camera, track_id: track, ...BATCH });
    return { track, reply };
  }));
  const words = ({ track, reply }) => ({ track, message: reply.message });
  const failures = replies.filter(({ reply }) => !reply.success).map(words);
  const notes = replies.filter(({ reply }) => reply.success && reply.captured < BATCH.count).map(words);
  const captured = replies.reduce((sum, { reply }) => sum + (Number(reply.captured) || 0), 0);
  return { captured, failures, notes };
}
