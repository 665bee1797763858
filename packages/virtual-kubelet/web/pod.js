// One pod: what holds it up, when it is tried again, its containers, and all that was done about it.
import { byId, distance, make, setText, showList } from "./dom.js";
import { clock, counted, exactClock, isWhole, span, wholeSpan } from "./format.js";
import { badge, stateOf } from "./pods.js";

/** @import { PodDetails, TimelineRow, ViewState } from "../src/view/view-state.ts" */

/** @param {ViewState["pod"]} pod */
export function showPod(pod) {
  const section = byId("pod", HTMLElement);
  section.hidden = pod === undefined;
  byId("columns", HTMLElement).classList.toggle("two", pod !== undefined);
  if (pod === undefined) return;
  const title = byId("pod-title", HTMLElement);
  const facts = byId("pod-facts", HTMLElement);
  if (pod === "unknown") {
    setText(title, "A pod that is not known here");
    showList(
      facts,
      ["It is on none of these nodes, or was gone for too long."],
      (text) => text,
      (text) => make("p", {}, text),
    );
    showTimeline([]);
    return;
  }
  setText(title, `${pod.row.namespace}/${pod.row.name}`);
  showList(
    facts,
    partsOf(pod),
    ([key]) => key,
    ([, value]) => factOf(value),
  );
  showTimeline(pod.timeline);
}

/**
 * @typedef {{ readonly is: "state"; readonly row: PodDetails["row"]; readonly message: string | undefined }
 *   | { readonly is: "retry"; readonly retry: PodDetails["retries"][number] }
 *   | { readonly is: "containers"; readonly containers: PodDetails["containers"] }
 *   | { readonly is: "omitted"; readonly omitted: number }} Fact
 */

/** @param {PodDetails} pod @returns {(readonly [string, Fact])[]} */
function partsOf({ row, message, retries, containers, omitted }) {
  return [
    ["state", { is: "state", row, message }],
    .../** @type {(readonly [string, Fact])[]} */ (
      retries.map((retry) => [`retry ${retry.queue}`, { is: "retry", retry }])
    ),
    .../** @type {(readonly [string, Fact])[]} */ (
      containers.length === 0 ? [] : [["containers", { is: "containers", containers }]]
    ),
    .../** @type {(readonly [string, Fact])[]} */ (omitted === 0 ? [] : [["omitted", { is: "omitted", omitted }]]),
  ];
}

/** @param {Fact} fact */
function factOf(fact) {
  switch (fact.is) {
    case "state": {
      const { row, message } = fact;
      const line = make("p", { class: "facts" }, stateOf(row), ` on node ${row.node}, `);
      line.append(row.phase === "Gone" ? "first seen " : "bound ", distance(row.since, "relative"));
      const reason = row.reason === undefined ? undefined : make("strong", {}, row.reason);
      return make(
        "div",
        {},
        line,
        reason && make("p", { class: "why" }, reason, message === undefined ? "" : `: ${message}`),
      );
    }
    case "retry": {
      const { queue, failures, nextAt } = fact.retry;
      const when = nextAt === undefined ? "at work now" : distance(nextAt, "relative");
      const text = `${counted(failures, "failure")} in a row (queue ${queue}); next try `;
      return make("p", { class: "next" }, text, make("strong", {}, when));
    }
    case "containers":
      return make(
        "ul",
        { class: "containers", "aria-label": "Containers" },
        ...fact.containers.map(({ name, state, restarts }) =>
          make("li", {}, make("b", {}, name), ` ${state}${restarts === 0 ? "" : `, ${counted(restarts, "restart")}`}`),
        ),
      );
    case "omitted":
      return make(
        "p",
        { class: "note" },
        `${counted(fact.omitted, "row")} of the middle of the timeline are left out.`,
      );
  }
}

/** @param {readonly TimelineRow[]} rows */
function showTimeline(rows) {
  const begin = rows[0]?.at ?? 0;
  /** @type {Map<string, number>} */
  const seen = new Map();
  const items = rows.map((row) => {
    const name = `${row.at} ${row.kind} ${row.what}`;
    const nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    return { key: `${name} ${nth}`, row, begin };
  });
  showList(
    byId("timeline", HTMLElement),
    items,
    ({ key }) => key,
    ({ row }) => timelineLine(row, begin),
  );
}

/** @param {TimelineRow} row @param {number} begin */
function timelineLine({ at, kind, what, outcome, durationMs, detail, bad, nextAt }, begin) {
  const tone = bad ? "bad" : outcome === "ok" ? "good" : outcome === "under way" ? "doubtful" : "still";
  const text = make("td", { class: "what" }, what);
  if (detail !== undefined) text.append(make("span", { class: "detail" }, detail));
  if (nextAt !== undefined)
    text.append(
      make("span", { class: "detail retry" }, `next try at ${clock(nextAt)}, after ${span(Math.max(0, nextAt - at))}`),
    );
  const after = at - begin;
  return make(
    "tr",
    { "data-tone": tone, "data-kind": kind },
    make(
      "th",
      { scope: "row" },
      make("time", { datetime: new Date(at).toISOString() }, isWhole(at) ? clock(at) : exactClock(at)),
      " ",
      make("span", { class: "after" }, `+${isWhole(at) ? wholeSpan(after) : span(Math.max(0, after))}`),
    ),
    make("td", { class: "kind" }, kind),
    text,
    make("td", { class: "number" }, durationMs === undefined ? "" : span(durationMs)),
    make("td", {}, outcome === undefined ? (bad ? badge("bad", "warning") : "") : badge(tone, outcome)),
  );
}
