// How the node is: a traffic light with words, and banners for what stops the work.

import { byId, el, icon, keyed, setAttr, setIcon, setText, show } from "./dom.js";
import { cameraHealth, set, store } from "./store.js";

const LIGHTS = {
  ok: { shape: "light-ok", word: "All well" },
  warn: { shape: "light-warn", word: "Look at this" },
  error: { shape: "light-error", word: "Broken" },
  none: { shape: "light-none", word: "Not known" },
};

const details = byId("health");
const light = byId("health-light");
light.append(icon("light-none"));
let retryAt = 0;
let firstVersion = null;

export function updateHealth() {
  const health = store.link === "live" ? store.health : null;
  const level = LIGHTS[health?.level] ? health.level : "none";
  setAttr(details, "data-level", level);
  setIcon(light.firstElementChild, LIGHTS[level].shape);
  setText(byId("health-word"), LIGHTS[level].word);
  const told = [health?.summary, health?.level === "ok" ? "" : health?.hint].filter(Boolean).join(" ");
  const summary = health?.summary ?? (store.link === "lost" ? store.refused || "The connection to the node is lost." : "Waiting for the node.");
  setText(byId("health-summary"), told || summary);
  setText(byId("health-full"), summary);
  setText(byId("health-hint"), health?.hint ?? "");
  show(byId("health-hint"), Boolean(health?.hint));
  keyed(byId("health-cameras"), health?.cameras ?? [], (camera) => camera.name,
    () => el("li", {}, icon("light-ok"), el("div", {}, el("strong", {}), el("p", {}))), updateCamera);
  keyed(byId("health-values"), health?.values ?? [], (value) => value.name,
    ({ name }) => el("div", {}, el("dt", { text: name }), el("dd", {})), (node, { value }) => setText(node.lastElementChild, String(value)));
  updateBanners();
}

function updateCamera(node, camera) {
  setAttr(node, "data-level", camera.picture ? "ok" : "error");
  setIcon(node.firstElementChild, camera.picture ? "light-ok" : "light-error");
  const [name, text] = node.lastElementChild.children;
  setText(name, `${camera.name || "Camera"}: ${camera.picture ? "pictures come" : "no picture"}`);
  setText(text, camera.text ?? "");
}

export function setRetry(seconds) {
  retryAt = performance.now() + 1000 * seconds;
}

function updateBanners() {
  const banners = [];
  if (store.link === "lost") {
    const text = "The page tries again by itself, and keeps what you typed.";
    if (store.refused === "") banners.push({ name: "connection", heading: "No connection to the node.", text });
    else banners.push({ name: "connection", heading: "The node shows this page nothing.", text: `${sentence(store.refused)} ${text}` });
  }
  if (store.cameraGone !== "") {
    banners.push({ name: "camera", heading: "The camera is not there any more.", text: `${sentence(store.cameraGone)} The first camera is shown.` });
  }
  const camera = cameraHealth();
  if (store.link === "live" && camera && !camera.picture) {
    const hint = store.health?.level === "ok" ? "" : (store.health?.hint ?? "");
    const from = camera.name ? ` from camera ${camera.name}` : "";
    banners.push({ name: "picture", heading: `No picture comes${from}.`, text: camera.text ?? "", hint });
  }
  const version = store.hello?.version ?? null;
  firstVersion ??= version;
  if (version !== null && version !== firstVersion) {
    banners.push({ name: "version", heading: `The node is now version ${version}.`, text: "This page came from an older one. Load it again." });
  }
  keyed(byId("banners"), banners, ({ name }) => name, createBanner, (node, { heading, text, hint }) => {
    setText(node.querySelector("strong"), heading);
    const [words, todo] = node.querySelectorAll("span");
    setText(words, text);
    setText(todo, hint ?? "");
    show(todo, Boolean(hint));
  });
}

/** Words of the node as a sentence. */
const sentence = (words) => (/[.!?]$/.test(words) ? words : `${words}.`).replace(/^./u, (first) => first.toUpperCase());

const ANSWERS = {
  version: { text: "Load again", click: () => location.reload() },
  camera: { text: "Close", click: () => set("hello", { cameraGone: "" }) },
};

function createBanner({ name }) {
  const serious = name in ANSWERS ? "light-warn" : "light-error";
  const { text, click } = ANSWERS[name] ?? {};
  const button = text ? el("button", { type: "button", class: "ghost", text, on: { click } }) : null;
  return el("div", { class: "banner", role: "alert", data: { test: "banner", banner: name } }, icon(serious),
    el("p", {}, el("strong", {}), " ", el("span", {}), " ", el("span", { class: "todo" })), button);
}

/** Seconds to the next attempt to connect; not part of the alert, which would be read out at each second. */
export function updateRetry() {
  const seconds = Math.ceil((retryAt - performance.now()) / 1000);
  const text = store.link === "lost" ? (seconds > 0 ? `Next attempt in ${seconds} s.` : "Trying now.") : "";
  setText(byId("retry"), text);
  show(byId("retry"), text !== "");
}

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !details.open) return;
  details.open = false;
  details.firstElementChild.focus();
});
addEventListener("pointerdown", (event) => {
  if (details.open && !details.contains(event.target)) details.open = false;
});
