// The page: what is asked for stands in its address, what comes is shown, and what matters is said.
import { Connection } from "./connection.js";
import { byId, setNow, setText, tick } from "./dom.js";
import { headline, showOverview } from "./overview.js";
import { showPod } from "./pod.js";
import { showPods, walkByKeys } from "./pods.js";

/** @import { ViewState } from "../src/view/view-state.ts" */

const filter = byId("filter", HTMLInputElement);
const token = byId("token", HTMLInputElement);
/** What the person at it wants to see; in the address, so that it can be reloaded and gone back to. */
const asked = { pod: "", phase: "", filter: "" };
/** @type {ViewState | undefined} */
let last;
/** The pod to be told of as soon as it is there. */
let opening = "";
let saidAt = 0;

const connection = new Connection({
  state(state) {
    setNow(state.now);
    show(state);
  },
  status(status, why) {
    const element = byId("connection", HTMLElement);
    if (element.dataset["state"] !== status && status !== "waiting")
      say(status === "live" ? "Connected" : "The connection is lost", true);
    element.dataset["state"] = status;
    setText(element, { live: "Live", waiting: "Connecting", lost: `Lost, trying again: ${why}` }[status]);
  },
  refused(fault) {
    last = undefined;
    byId("content", HTMLElement).hidden = true;
    byId("access", HTMLElement).hidden = false;
    byId("forget", HTMLElement).hidden = true;
    byId("connection", HTMLElement).dataset["state"] = "waiting";
    setText(byId("connection", HTMLElement), "Not signed in");
    setText(byId("access-fault", HTMLElement), fault);
    connection.useToken(undefined);
    token.value = "";
    token.focus();
  },
});

/** @param {ViewState} state */
function show(state) {
  const access = byId("access", HTMLElement);
  // What had the keyboard goes away.
  if (!access.hidden) byId("main", HTMLElement).focus();
  access.hidden = true;
  byId("content", HTMLElement).hidden = false;
  byId("forget", HTMLElement).hidden = !connection.hasToken;
  const linkTo = /** @param {string} pod */ (pod) => addressOf({ pod });
  showOverview(state, linkTo);
  showPods(state, asked, (phase) => go({ phase }), linkTo);
  showPod(state.pod);
  tell(state);
  last = state;
  if (opening === "" || opening !== asked.pod || state.pod === undefined) return;
  opening = "";
  byId("pod-title", HTMLElement).focus();
}

/** What a listener should hear of: the pod that is looked at, and how many are in trouble. @param {ViewState} state */
function tell(state) {
  if (last === undefined) return;
  const [before, after] = [last.pod, state.pod];
  if (typeof before === "object" && typeof after === "object" && before.row.uid === after.row.uid) {
    const [was, is] = [before.row, after.row];
    if (was.phase !== is.phase || was.reason !== is.reason)
      return say(`${is.name} is ${is.phase}${is.reason === undefined ? "" : `: ${is.reason}`}`, true);
  }
  const trouble = /** @param {ViewState} one */ (one) => headline(one).replace(/^.*?(?:(\d+ in trouble))?\.$/, "$1");
  if (last.nodes.ready !== state.nodes.ready || trouble(last) !== trouble(state)) say(headline(state), false);
}

/** @param {string} text @param {boolean} urgent else at most every five seconds */
function say(text, urgent) {
  if (!urgent && Date.now() - saidAt < 5000) return;
  saidAt = Date.now();
  byId("news", HTMLElement).textContent = text;
}

/** @param {Partial<typeof asked>} change */
function addressOf(change) {
  const next = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...asked, ...change })) if (value !== "") next.set(name, value);
  return `#${next}`;
}

/** @param {Partial<typeof asked>} change */
function go(change) {
  location.hash = addressOf(change);
}

function follow() {
  const given = new URLSearchParams(location.hash.slice(1));
  const pod = given.get("pod") ?? "";
  if (pod !== asked.pod && last !== undefined) opening = pod;
  asked.pod = pod;
  asked.phase = given.get("phase") ?? "";
  asked.filter = given.get("filter") ?? "";
  if (document.activeElement !== filter) filter.value = asked.filter;
  connection.open(new URLSearchParams(asked).toString());
}

/** Back to the list, where the pod stood. */
function closePod() {
  const { pod } = asked;
  go({ pod: "" });
  showPod(undefined);
  const link = [...document.querySelectorAll("#pods a")].find(
    (one) => one instanceof HTMLElement && one.dataset["pod"] === pod,
  );
  if (link instanceof HTMLElement) link.focus();
  else filter.focus();
}

addEventListener("hashchange", follow);
byId("pod-close", HTMLElement).addEventListener("click", closePod);
byId("pod", HTMLElement).addEventListener("keydown", (event) => {
  if (event.key === "Escape") closePod();
});
walkByKeys(byId("pods", HTMLElement));
byId("skip", HTMLElement).addEventListener("click", (event) => {
  // The address says what is looked at.
  event.preventDefault();
  byId("main", HTMLElement).focus();
});

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => go({ filter: filter.value.trim() }), 250);
});
byId("access-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  connection.useToken(token.value.trim());
  token.value = "";
  setText(byId("access-fault", HTMLElement), "");
  follow();
});
byId("forget", HTMLElement).addEventListener("click", () => {
  connection.useToken(undefined);
  follow();
});
setInterval(tick, 1000);
follow();
