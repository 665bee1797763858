// The process as a whole: a headline, its nodes, queues and events.
import { byId, distance, make, setText, showList } from "./dom.js";
import { counted, span } from "./format.js";
import { badge } from "./pods.js";

/** @import { NodeState, ViewState } from "../src/view/view-state.ts" */

/** In a sentence, the bad news first. @param {ViewState} state */
export function headline(state) {
  const { nodes, phases, pods } = state;
  const { inTrouble } = pods;
  const ready =
    nodes.ready === nodes.total
      ? nodes.total === 1
        ? "The node is ready"
        : `All ${nodes.total} nodes are ready`
      : `${nodes.total - nodes.ready} of ${counted(nodes.total, "node")} ${nodes.total - nodes.ready === 1 ? "is" : "are"} not ready`;
  const parts = ["Running", "Pending", "Failed", "Succeeded"].flatMap((phase) =>
    (phases[phase] ?? 0) > 0 ? [`${phases[phase]} ${phase.toLowerCase()}`] : [],
  );
  const told = pods.total === 0 ? "no pods" : `${counted(pods.total, "pod")}: ${parts.join(", ")}`;
  return `${ready}; ${told}${inTrouble === 0 ? "." : `; ${inTrouble} in trouble.`}`;
}

/** @param {ViewState} state @param {(pod: string) => string} linkTo */
export function showOverview(state, linkTo) {
  setText(byId("version", HTMLElement), state.version);
  setText(byId("headline", HTMLElement), headline(state));
  const starting = byId("starting", HTMLElement);
  starting.hidden = state.starting === undefined;
  setText(starting, state.starting ?? "");
  const note = byId("nodes-note", HTMLElement);
  const { total, rows } = state.nodes;
  note.hidden = rows.length === total;
  setText(note, `${rows.length} of ${total} nodes, those that are not ready first.`);
  showList(byId("nodes", HTMLElement), rows, ({ name }) => name, nodeCard);
  showList(byId("queues", HTMLElement), state.queues, ({ name }) => name, queueLine);
  const events = state.events.map((event, index) => ({
    ...event,
    link: event.pod === undefined ? undefined : linkTo(event.pod),
    key: `${event.at} ${event.object} ${event.reason} ${state.events.length - index}`,
  }));
  showList(byId("events", HTMLElement), events, ({ key }) => key, eventLine);
}

/** @param {NodeState} node */
function nodeCard(node) {
  const tone = node.ready === "True" ? "good" : "bad";
  const words = { True: "Ready", False: "Not ready", Unknown: "Unknown", Missing: "Not registered" };
  const head = make("h3", {}, `${node.name} `, badge(tone, words[node.ready]));
  if (node.unschedulable) head.append(" ", badge("doubtful", "Cordoned"));
  const card = make("li", {}, head);
  if (node.ready !== "True" && node.message !== undefined)
    card.append(make("p", { class: "why" }, `${node.reason ?? ""}: ${node.message}`));
  if (node.trouble !== undefined)
    card.append(make("p", { class: "why" }, `The back end cannot be listed: ${node.trouble}`));
  const facts = make("dl", {});
  /** @param {string} name @param {...(Node | string)} value */
  const fact = (name, ...value) => facts.append(make("div", {}, make("dt", {}, name), make("dd", {}, ...value)));
  fact("Pods", String(node.pods));
  fact("Provider calls", slots(node.calls));
  fact("Deletions", slots(node.deletions));
  if (node.leaseRenewedAt !== undefined)
    fact(
      "Lease renewed",
      distance(node.leaseRenewedAt, "relative"),
      node.leaseSeconds === undefined ? "" : `, lasts ${node.leaseSeconds} s`,
    );
  fact("Taints", node.taints.length === 0 ? "none" : node.taints.join(", "));
  if (node.runtime !== undefined) fact("Runtime", node.runtime);
  card.append(facts, resourceTable(node));
  return card;
}

/** @param {NodeState["calls"]} slots */
function slots({ taken, limit, waiting }) {
  return `${taken} of ${limit}${waiting === 0 ? "" : `, ${waiting} waiting`}`;
}

/** @param {NodeState} node */
function resourceTable({ name, resources }) {
  const body = make("tbody", {});
  for (const { name: resource, allocatable, requested } of resources) {
    const share = requested === undefined ? "" : `${Math.round(requested * 100)} %`;
    const meter =
      requested === undefined
        ? ""
        : make("meter", {
            min: "0",
            max: "1",
            high: "0.9",
            optimum: "0",
            value: String(Math.min(1, requested)),
            "aria-label": `${resource} asked for`,
          });
    body.append(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, resource),
        make("td", { class: "number" }, allocatable),
        make("td", {}, meter, ` ${share}`),
      ),
    );
  }
  return make(
    "table",
    {},
    make("caption", { class: "unseen" }, `Resources of ${name}`),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { scope: "col" }, "Resource"),
        make("th", { scope: "col", class: "number" }, "Allocatable"),
        make("th", { scope: "col" }, "Asked for"),
      ),
    ),
    body,
  );
}

/** @param {ViewState["queues"][number]} queue */
function queueLine({ name, waiting, active, delayed, oldestSeconds }) {
  const cells = [
    String(waiting),
    String(active),
    String(delayed),
    oldestSeconds === 0 ? "" : span(oldestSeconds * 1000),
  ];
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    ...cells.map((text) => make("td", { class: "number" }, text)),
  );
}

/** @param {ViewState["events"][number] & { readonly link: string | undefined }} event */
function eventLine({ at, warning, object, link, reason, message }) {
  const about = link === undefined ? object : make("a", { href: link }, object);
  return make(
    "tr",
    {},
    make("td", {}, distance(at, "relative")),
    make("td", {}, about),
    make(
      "td",
      {},
      warning ? badge("bad", reason) : make("b", {}, reason),
      " ",
      make("span", { class: "detail" }, message),
    ),
  );
}
