// /healthz and its single checks, worded as by every Kubernetes component.
import { sendText } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

/** In the order in which a kubelet names them. That we answer is all that `ping` and `log` say. */
const checkNames = ["ping", "log", "syncloop"] as const;

/** `problem`: what is wrong with the work on a node's pods, if anything; it is logged, not told. */
export function healthHandlers(problem: (node: string) => string | undefined): {
  readonly all: KubeletHandler;
  readonly single: KubeletHandler;
} {
  return {
    async all({ node, query, response, log }) {
      const excluded = query.getAll("exclude");
      const wrong = excluded.includes("syncloop") ? undefined : problem(node.name);
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
  };
}
