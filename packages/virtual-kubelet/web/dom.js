// What of a framework is needed: elements by text alone, lists that keep what has not changed, and times that go on.
import { age, relative } from "./format.js";

/**
 * The element of this id; the page has it.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`no ${type.name} #${id}`);
}

/**
 * An element; strings become text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string | undefined>>} attributes undefined: without it
 * @param {...(Node | string | undefined)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @type {WeakMap<Element, Map<string, { readonly text: string; readonly element: HTMLElement }>>} */
const lists = new WeakMap();

/**
 * Has `parent` show these items in this order. An item that is as it was keeps its element; one that changed gets a new one, and
 * the keyboard stays where it was.
 * @template T
 * @param {HTMLElement} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} render
 */
export function showList(parent, items, keyOf, render) {
  const before = lists.get(parent) ?? new Map();
  const after = new Map();
  const focused = document.activeElement;
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const known = before.get(key);
    const element = known?.text === text ? known.element : render(item);
    after.set(key, { text, element });
    const hadFocus = known !== undefined && known.element !== element && known.element.contains(focused);
    if (known !== undefined && known.element !== element) {
      if (place === known.element) place = known.element.nextElementSibling;
      known.element.replaceWith(element);
    }
    if (place === element) place = element.nextElementSibling;
    else parent.insertBefore(element, place);
    if (hadFocus) focusable(element)?.focus({ preventScroll: true });
  }
  for (const [key, { element }] of before) if (!after.has(key)) element.remove();
  lists.set(parent, after);
}

/** @param {HTMLElement} element @returns {HTMLElement | null} */
export function focusable(element) {
  return element.querySelector("a[href], button");
}

/** Milliseconds that the clock of the process is ahead of ours. */
let ahead = 0;

/** @param {number} now of the process, epoch milliseconds */
export function setNow(now) {
  ahead = now - Date.now();
}

/** The time of the process. */
export function now() {
  return Date.now() + ahead;
}

/**
 * A time that is told by its distance, which goes on.
 * @param {number} at
 * @param {"age" | "relative"} form "4 s" or "4 s ago"
 */
export function distance(at, form) {
  const element = make("time", {
    datetime: new Date(at).toISOString(),
    title: `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`,
    "data-at": String(at),
    "data-form": form,
  });
  tell(element);
  return element;
}

/** @param {HTMLElement} element */
function tell(element) {
  const at = Number(element.dataset["at"]);
  setText(element, element.dataset["form"] === "age" ? age(now() - at) : relative(at, now()));
}

/** Brings all distances up to the present. */
export function tick() {
  for (const element of document.querySelectorAll("time[data-at]")) if (element instanceof HTMLElement) tell(element);
}
