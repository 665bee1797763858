// The list of pods: phases to choose from, rows, and the keyboard in it.
import { byId, distance, focusable, make, setText, showList } from "./dom.js";
import { counted } from "./format.js";

/** @import { PodRow, ViewState } from "../src/view/view-state.ts" */

const phases = ["Running", "Pending", "Failed", "Succeeded", "Unknown", "Gone"];
/** @type {Readonly<Record<string, string>>} */
const tones = { Running: "good", Succeeded: "good", Pending: "doubtful", Failed: "bad", Unknown: "bad", Gone: "still" };

/**
 * A state by word, sign and colour.
 * @param {"good" | "doubtful" | "bad" | "still" | string} tone
 * @param {string} text
 */
export function badge(tone, text) {
  return make("span", { class: "badge", "data-tone": tone }, text);
}

/** @param {PodRow} row */
export function stateOf(row) {
  const text = row.deleting && row.phase !== "Gone" ? `${row.phase}, ending` : row.phase;
  return badge(row.phase === "Running" && row.reason !== undefined ? "doubtful" : (tones[row.phase] ?? "still"), text);
}

/**
 * @param {ViewState} state
 * @param {{ readonly phase: string; readonly pod: string }} asked
 * @param {(phase: string) => void} choosePhase
 * @param {(pod: string) => string} linkTo
 */
export function showPods(state, asked, choosePhase, linkTo) {
  const { total, matching, rows } = state.pods;
  const shown = phases.filter((phase) => (state.phases[phase] ?? 0) > 0 || phase === asked.phase);
  const choices = [
    { phase: "", text: "All", count: total },
    ...shown.map((phase) => ({ phase, text: phase, count: state.phases[phase] ?? 0 })),
  ].map((choice) => ({ ...choice, pressed: choice.phase === asked.phase }));
  showList(
    byId("phases", HTMLElement),
    choices,
    ({ phase }) => phase,
    ({ phase, text, count, pressed }) => {
      const button = make("button", { type: "button", "aria-pressed": String(pressed) }, `${text} `);
      button.append(make("span", { class: "count" }, String(count)));
      button.addEventListener("click", () => choosePhase(phase));
      return button;
    },
  );
  const note =
    matching === 0
      ? total === 0 && asked.phase === ""
        ? "No pod is bound here."
        : "No pod fits."
      : rows.length < matching
        ? `The first ${rows.length} of ${counted(matching, "pod")}: filter for others. Those in trouble come first.`
        : "";
  setText(byId("pods-note", HTMLElement), note);
  const items = rows.map((row) => ({ row, chosen: row.uid === asked.pod, link: linkTo(row.uid) }));
  const body = byId("pods", HTMLElement);
  showList(
    body,
    items,
    ({ row }) => row.uid,
    ({ row, chosen, link }) => line(row, chosen, link),
  );
  oneStop(body);
}

/** @param {PodRow} row @param {boolean} chosen @param {string} link */
function line(row, chosen, link) {
  const name = make(
    "a",
    { href: link, "data-pod": row.uid, tabindex: "-1", "aria-current": chosen ? "true" : undefined },
    make("span", { class: "namespace" }, `${row.namespace}/`),
    row.name,
  );
  const state = make("td", {}, stateOf(row));
  if (row.reason !== undefined) state.append(" ", make("span", { class: "reason" }, row.reason));
  if (row.retryAt !== undefined)
    state.append(" ", make("span", { class: "retry" }, "next try ", distance(row.retryAt, "relative")));
  return make(
    "tr",
    { class: chosen ? "chosen" : undefined },
    make("th", { scope: "row" }, name),
    state,
    make("td", { class: "number" }, row.ready),
    make("td", { class: "number" }, row.phase === "Gone" ? "" : String(row.restarts)),
    make("td", { class: "node" }, row.node),
    make("td", { class: "number" }, distance(row.since, "age")),
  );
}

/** One stop of the Tab key for the whole list: the row where the keyboard was last, else the chosen one, else the first. @param {HTMLElement} body */
function oneStop(body) {
  const links = linksOf(body);
  const current =
    links.find((link) => link === document.activeElement) ??
    links.find((link) => link.tabIndex === 0) ??
    links.find((link) => link.hasAttribute("aria-current")) ??
    links[0];
  for (const link of links) link.tabIndex = link === current ? 0 : -1;
}

/** @param {HTMLElement} body @returns {HTMLElement[]} */
function linksOf(body) {
  return [...body.children].flatMap((row) => (row instanceof HTMLElement ? (focusable(row) ?? []) : []));
}

/** Arrow keys, Home and End move in the list. @param {HTMLElement} body */
export function walkByKeys(body) {
  body.addEventListener("keydown", (event) => {
    const links = linksOf(body);
    const at = links.findIndex((link) => link.matches(":focus"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    const next = to === undefined ? undefined : links[to];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    for (const link of links) link.tabIndex = link === next ? 0 : -1;
    next.focus();
  });
}
