// Colours and shapes of tracks, and what was said of each in the last minute.

/** Eight of each: colour (--track-N in page.css), shape (#icon-shape-N in index.html) and dash tell tracks apart together. */
export const SLOTS = 8;
export const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [4, 4], [1, 4], [10, 2, 4, 2]];
export const MINUTE = 60000;
const STEP = 250; // one point of a line in so many milliseconds is enough

const seen = new Map(); // track id -> {slot, at}
const lines = new Map(); // task -> {labels, tracks: Map(track id -> [{at, label, shares, unknown}])}

/** The slot of a track: the same as long as it is in the last minute. */
export function slotOf(track) {
  return seen.get(track)?.slot ?? 0;
}

/** Notes a frame; called for each that comes, drawn or not. */
export function note(faces, now) {
  for (const [track, { at }] of seen) if (now - at > MINUTE) seen.delete(track);
  for (const face of faces) {
    const known = seen.get(face.track_id);
    if (known) known.at = now;
    else seen.set(face.track_id, { slot: freeSlot(), at: now });
    for (const answer of face.attributes ?? []) add(face.track_id, answer, now);
  }
}

function freeSlot() {
  const used = new Map([...Array(SLOTS).keys()].map((slot) => [slot, 0]));
  for (const { slot } of seen.values()) used.set(slot, used.get(slot) + 1);
  return [...used].sort((a, b) => a[1] - b[1] || a[0] - b[0])[0][0];
}

function add(track, answer, now) {
  if (!lines.has(answer.task)) lines.set(answer.task, { labels: [], tracks: new Map() });
  const line = lines.get(answer.task);
  if (line.labels.join("\n") !== answer.labels.join("\n")) {
    line.labels = [...answer.labels]; // taught anew with other labels: the old points mean something else
    line.tracks.clear();
  }
  if (!line.tracks.has(track)) line.tracks.set(track, []);
  const points = line.tracks.get(track);
  const last = points[points.length - 1];
  if (last && now - last.at < STEP && last.label === answer.label) return;
  points.push({ at: now, label: answer.label, shares: answer.probabilities, unknown: answer.unknown });
}

/** The tasks with points in the last minute: `[{task, labels, tracks: [{track, slot, points}]}]`. */
export function history(now) {
  const found = [];
  for (const [task, line] of lines) {
    for (const [track, points] of line.tracks) {
      while (points.length > 0 && now - points[0].at > MINUTE) points.shift();
      if (points.length === 0) line.tracks.delete(track);
    }
    if (line.tracks.size === 0) {
      lines.delete(task);
      continue;
    }
    const tracks = [...line.tracks].map(([track, points]) => ({ track, slot: slotOf(track), points }));
    found.push({ task, labels: line.labels, tracks });
  }
  return found.sort((a, b) => a.task.localeCompare(b.task));
}

/** Tracks seen within the last `ms`. */
export function present(now, ms) {
  return new Set([...seen].filter(([, { at }]) => now - at <= ms).map(([track]) => track));
}

/** Another node, or another camera: what was before is not the same any more. */
export function clearTracks() {
  seen.clear();
  lines.clear();
}
