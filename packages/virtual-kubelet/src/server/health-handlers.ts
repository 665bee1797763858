// /healthz and its single checks, worded as by every Kubernetes component, and /metrics/slis, which says how they went.
import { send, sendText } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";
import { labelText, MetricFamily, prometheusContentType } from "./prometheus-text.ts";

/** In the order in which a kubelet names them. That we answer is all that `ping` and `log` say. */
const checkNames = ["ping", "log", "syncloop"] as const;

/** `problem`: what is wrong with the work on a node's pods, if anything; it is logged, not told. */
export function healthHandlers(problem: (node: string) => string | undefined): {
  readonly all: KubeletHandler;
  readonly single: KubeletHandler;
  readonly slis: KubeletHandler;
} {
  const history = new CheckHistory();
  return {
    async all({ node, query, response, log }) {
      const excluded = query.getAll("exclude");
      const wrong = excluded.includes("syncloop") ? undefined : problem(node.name);
      for (const name of checkNames)
        if (!excluded.includes(name)) history.saw(node.name, name, name !== "syncloop" || wrong === undefined);
      const lines = checkNames.map((name) => {
        if (excluded.includes(name)) return `[+]${name} excluded: ok\n`;
        return name === "syncloop" && wrong !== undefined ? `[-]${name} failed: reason withheld\n` : `[+]${name} ok\n`;
      });
      if (wrong !== undefined) {
        log.warn({ reason: wrong }, "health check failed");
        return sendText(response, 500, `${lines.join("")}healthz check failed\n`);
      }
      sendText(response, 200, query.has("verbose") ? `${lines.join("")}healthz check passed\n` : "ok");
    },
    async single({ node, params, response }) {
      const name = checkNames.find((known) => known === params["check"]);
      if (name === undefined) return sendText(response, 404, "404 page not found\n");
      const wrong = name === "syncloop" ? problem(node.name) : undefined;
      if (wrong !== undefined) return sendText(response, 500, `internal server error: ${wrong}\n`);
      sendText(response, 200, "ok");
    },
    async slis({ node, response }) {
      const text = history.render(node.name, problem(node.name) === undefined);
      send(response, 200, text, { "Content-Type": prometheusContentType });
    },
  };
}

type CheckName = (typeof checkNames)[number];

/** What each look at /healthz of a node has found. */
class CheckHistory {
  readonly #counts = new Map<string, Map<CheckName, { success: number; error: number }>>();

  saw(node: string, check: CheckName, isWell: boolean): void {
    const ofNode = this.#counts.get(node) ?? new Map<CheckName, { success: number; error: number }>();
    this.#counts.set(node, ofNode);
    const count = ofNode.get(check) ?? { success: 0, error: 0 };
    ofNode.set(check, count);
    if (isWell) count.success++;
    else count.error++;
  }

  render(node: string, syncs: boolean): string {
    const now = new MetricFamily("kubernetes_healthcheck", "gauge", "Result of the check now");
    const total = new MetricFamily("kubernetes_healthchecks_total", "counter", "Results of the check");
    for (const name of checkNames) {
      now.add(labelText({ name, type: "healthz" }), name === "syncloop" && !syncs ? 0 : 1);
      for (const [status, count] of Object.entries(this.#counts.get(node)?.get(name) ?? {}))
        if (count > 0) total.add(labelText({ name, status, type: "healthz" }), count);
    }
    return `${now}${total}`;
  }
}
