// The WebSocket `/live`: comes back by itself after a loss, and takes frames apart.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const SILENCE_MS = 15000; // `health` comes every second; a 4K picture on a slow network may hold it up for some

/** A binary message: four bytes of length (little-endian), JSON, JPEG. Throws when it is not one. */
export function parseFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  if (4 + length > buffer.byteLength) throw new RangeError("frame is shorter than it says");
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...head, faces: head.faces ?? [], jpeg: new Uint8Array(buffer, 4 + length) };
}

export class Connection {
  #socket = null;
  #camera = null;
  #wait = FIRST_WAIT_MS;
  #retry = null;
  #heard = 0;
  #hello = null; // told with what comes next: that may be a refusal
  #refused = "";

  /**
   * `told(message)` for JSON, `seen(frame)` for pictures, `link("live" | "lost", seconds to the next try, why the node refuses)`.
   * A refusal is told as `{kind: "refused", message, hello}`; the `hello` before it, if one came, is not told alone.
   */
  constructor({ told, seen, link }) {
    this.told = told;
    this.seen = seen;
    this.link = link;
    setInterval(() => {
      if (this.#socket && performance.now() - this.#heard > SILENCE_MS) this.#lost(this.#socket);
    }, 1000);
    addEventListener("online", () => this.#retry !== null && this.open(this.#camera));
  }

  /** Connects, or connects anew for another camera (`null`: the first). */
  open(camera) {
    this.#camera = camera;
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#hello = null;
    this.#refused = "";
    const old = this.#socket;
    const url = new URL("live", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (camera) url.searchParams.set("camera", camera);
    const socket = new WebSocket(url);
    this.#socket = socket;
    old?.close();
    this.#heard = performance.now();
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#message(data);
    socket.onclose = () => this.#lost(socket);
  }

  #message(data) {
    this.#heard = performance.now();
    try {
      const message = typeof data === "string" ? JSON.parse(data) : null;
      if (message?.kind === "hello") {
        this.#hello = message;
        return;
      }
      if (message?.kind === "refused") {
        this.#wait = LONGEST_WAIT_MS;
        this.#refused = message.message || "The node gives no reason.";
        return this.told({ ...message, hello: this.#hello });
      }
      if (this.#hello) this.#begin();
      if (message) this.told(message);
      else this.seen(parseFrame(data));
    } catch (error) {
      console.warn("a message of the node could not be read:", error);
    }
  }

  #begin() {
    const hello = this.#hello;
    this.#hello = null;
    this.#wait = FIRST_WAIT_MS;
    this.link("live", 0, "");
    this.told(hello);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    this.link("lost", wait / 1000, this.#refused);
    this.#retry = setTimeout(() => this.open(this.#camera), wait);
  }
}
