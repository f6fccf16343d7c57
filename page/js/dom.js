// Small helpers to build and update elements. Text only ever goes in as text: labels may hold anything.

const SVG = "http://www.w3.org/2000/svg";

/** The element of index.html with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. `props`: `class`, `text`, `data` (data-* attributes), `on` (listeners), anything else an attribute
 * (`true` sets it empty, `false` and `null` leave it out).
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else setAttr(node, name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** A shape from the top of index.html; decoration only, the words beside it say the same. */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${extra}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Changes the shape of an icon that is already there. */
export function setIcon(svg, name) {
  setAttr(svg.firstElementChild, "href", `#icon-${name}`);
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** Off, but still focusable: a control that goes off while it is used must not lose the focus. */
export function setOff(button, off) {
  setAttr(button, "aria-disabled", off ? "true" : null);
}
export const isOff = (button) => button.getAttribute("aria-disabled") === "true";

const children = new WeakMap();

/**
 * Makes `parent` hold one element for each item, in place: known elements are updated, never made anew, so that focus,
 * open menus and scroll positions survive. Focus in an element that goes moves to the same control of its neighbour where `parent` has
 * `data-heirs`, else to what `data-focus` names, else to `parent`.
 */
export function keyed(parent, items, keyOf, create, update = () => {}) {
  if (!children.has(parent)) children.set(parent, new Map());
  const known = children.get(parent);
  const wanted = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (wanted.has(key)) continue;
    const focused = node.contains(document.activeElement) ? document.activeElement.dataset.test : null;
    const neighbour = "heirs" in parent.dataset ? (node.nextElementSibling ?? node.previousElementSibling) : null;
    node.dispatchEvent(new CustomEvent("gone"));
    node.remove();
    known.delete(key);
    if (focused === null) continue;
    const heir = neighbour?.querySelector(`[data-test="${focused}"]`) ?? byId(parent.dataset.focus) ?? parent;
    heir.focus({ preventScroll: true });
  }
  let cursor = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    if (!node) {
      node = create(item);
      known.set(key, node);
    }
    update(node, item);
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  }
}

/** At most one call in `ms`; the last one is never lost. */
export function throttle(ms, call) {
  let timer = null;
  let last = -Infinity;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      last = performance.now();
      call();
    }, Math.max(0, ms - (performance.now() - last)));
  };
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const percent = (share) => `${Math.round(100 * share)}%`;
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
