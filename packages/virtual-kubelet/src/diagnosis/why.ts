// `virtual-kubelet why POD`: one page on why a pod is where it is, and what to do.
import { isErrorKind } from "../errors.ts";
import { hint } from "../host/closest.ts";
import type { KubeClient } from "../kube/client.ts";
import { pods } from "../kube/resource.ts";
import { flagText } from "../program/load-config.ts";
import { redactText } from "../program/redact.ts";
import { clientOf, configOf, orOfTrial } from "./cluster.ts";
import { serverFault } from "./doctor-cluster.ts";
import type { Invocation } from "./run.ts";
import { gatherFacts } from "./why-facts.ts";
import { whyText } from "./why-text.ts";
import { timeline } from "./why-timeline.ts";
import { verdictOf } from "./why-verdict.ts";

/** 0: told, whatever is with the pod; 1: there is no such pod, or it cannot be read; 2: wrong usage. */
export async function why(given: Invocation): Promise<number> {
  const { line, operands, stdout, stderr, usage, json, env } = given;
  const [operand, ...more] = operands[0] === "pod" && operands.length > 1 ? operands.slice(1) : operands;
  if (operand === undefined || more.length > 0) return usage("why: name one pod: why POD -n NAMESPACE");
  const parts = operand.replace(/^pods?\//, "").split("/");
  const name = parts.at(-1) ?? "";
  const chosen = parts.length > 1 ? (parts[0] ?? "") : flagText(line, "namespace");
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(name) || !/^[a-z0-9][a-z0-9-]*$/.test(chosen ?? "x") || parts.length > 2)
    return usage(`why: "${operand}" is no name of a pod`);
  const { config } = await configOf(orOfTrial(given));
  const { client, namespace: own } = await clientOf(config, env);
  const namespace = chosen ?? own;
  try {
    const facts = await gatherFacts(client, namespace, name, Date.now);
    const verdict = verdictOf(facts);
    if (!json) stdout.write(whyText(facts, verdict));
    else {
      const { pod, onNode } = facts;
      const time = (at: number): string => new Date(at).toISOString();
      const told = {
        namespace,
        name,
        node: pod.spec?.nodeName,
        phase: pod.status?.phase,
        ...verdict,
        nextAttempt: verdict.nextAttempt === undefined ? undefined : time(verdict.nextAttempt),
        onNode,
        timeline: timeline(facts).map((each) => ({ ...each, time: time(each.time) })),
      };
      stdout.write(`${JSON.stringify(told, undefined, 2)}\n`);
    }
    return 0;
  } catch (error) {
    if (isErrorKind(error, "Unauthorized") || isErrorKind(error, "Unavailable")) {
      const { message, fix = "" } = serverFault(error, client.server);
      stderr.write(`${redactText(message)}\n  fix: ${fix}\n`);
      return 1;
    }
    if (!isErrorKind(error, "NotFound")) throw error;
    stderr.write(`there is no pod ${namespace}/${name}${await nearest(client, namespace, name, parts.length > 1)}\n`);
    return 1;
  } finally {
    await client.close();
  }
}

async function nearest(client: KubeClient, namespace: string, name: string, isPath: boolean): Promise<string> {
  try {
    const { items } = await client.list(pods, { namespace, timeoutMs: 5000 });
    if (items.length === 0 && isPath)
      return `: the namespace ${namespace} has none (why takes POD or NAMESPACE/POD; of a Deployment or Job, name one of its pods)`;
    if (items.length === 0) return `: the namespace ${namespace} has none (-n chooses another)`;
    const own = items.find(({ metadata }) => metadata.name.startsWith(`${name}-`));
    if (own !== undefined)
      return `: of a Deployment, StatefulSet or Job name one of its pods, such as ${own.metadata.name}`;
    return (
      hint(
        name,
        items.map(({ metadata }) => metadata.name),
      ) || `: see kubectl get pods -n ${namespace}`
    );
  } catch {
    // Who may not list may still have asked for one.
    return "";
  }
}
