// Requests to the node. Every answer is an object with `success` and `message`, also when no answer came; `status` where one came.

const UNREACHABLE = "The node cannot be reached. Is it running, and is the network there?";

async function send(path, options, seconds) {
  try {
    return await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(seconds * 1000) });
  } catch (error) {
    if (error.name === "TimeoutError") return `The node gave no answer within ${Math.round(seconds)} seconds.`;
    return UNREACHABLE;
  }
}

async function read(response) {
  if (typeof response === "string") return { success: false, message: response };
  try {
    const body = await response.json();
    const success = response.ok && body.success === true;
    return { ...body, status: response.status, success, message: String(body.message ?? "") || (success ? "" : `Refused (${response.status}).`) };
  } catch {
    return { success: false, status: response.status, message: `The node answered with status ${response.status} and without words.` };
  }
}

const query = (path, values) => `${path}?${new URLSearchParams(values)}`;

/** `POST /api/<path>` with a JSON body. */
export async function post(path, body, seconds = 30) {
  const headers = { "Content-Type": "application/json" };
  return read(await send(`api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }, seconds));
}

export const capture = (body) => post("capture", body, body.seconds + 20);
export const samples = async (task) => read(await send(query("api/samples", { task }), {}, 20));

/** A reply that is a file: `{success, blob}`, or the node's words. */
async function file(path, seconds) {
  const response = await send(path, {}, seconds);
  if (typeof response === "string" || !response.ok) return read(response);
  if ((response.headers.get("Content-Type") ?? "").includes("json")) return read(response);
  try {
    return { success: true, message: "", blob: await response.blob() };
  } catch {
    return { success: false, message: UNREACHABLE };
  }
}

export const sample = (task, id) => file(query("api/sample", { task, id }), 20);
export const explanation = (camera, track, task) => file(query("api/explanation", { camera, track_id: track, task }), 20);
export const exported = (task, withSamples) => file(query("api/export", { task, samples: withSamples }), 300);

export async function imported(name, archive) {
  const headers = { "Content-Type": "application/x-tar" };
  return read(await send(query("api/import", { name }), { method: "POST", headers, body: archive }, 300));
}
