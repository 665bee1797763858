// `virtual-kubelet doctor`: checks what the program needs of the cluster, in order, each with the fix. Changes nothing in the cluster.
import { systemClock } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { identify } from "../identity.ts";
import { resolveClusterConfig } from "../kube/connect.ts";
import { daemonSets, leases, nodes } from "../kube/resource.ts";
import { silentLogger } from "../log.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import { flagText } from "../program/load-config.ts";
import { withNodeIPs } from "../program/node-ip.ts";
import { clientOf, configOf } from "./cluster.ts";
import { checkAccess } from "./doctor-access.ts";
import { callMs, type DoctorContext, type Finding, fail, ok, skip } from "./doctor-check.ts";
import { checkClock } from "./doctor-clock.ts";
import { checkApproval, checkCertificate, checkMetrics, checkReach } from "./doctor-kubelet.ts";
import { checkDaemonSets, checkName, checkTaintsAndLabels, isAlive } from "./doctor-node.ts";
import { checkProvider, describe } from "./doctor-provider.ts";
import { findingText, type NamedFinding, summary } from "./doctor-text.ts";
import type { Invocation } from "./run.ts";

/** 0: nothing failed; 1: something did; 2: wrong usage. */
export async function doctor(input: Invocation): Promise<number> {
  const { line, operands, stdout, stderr, usage, json, cwd } = input;
  if (operands.length > 0) return usage(`doctor: unexpected "${operands[0]}"`);
  const config = withNodeIPs((await configOf(input)).config);
  const [node] = config.nodes;
  if (node === undefined) return usage("doctor: no node is configured");
  const isNamed = flagText(line, "provider") !== undefined || flagText(line, "config") !== undefined;
  const findings: NamedFinding[] = [];
  const add = (check: string, finding: Finding): void => {
    findings.push({ check, ...finding });
    if (!json) stdout.write(findingText({ check, ...finding }));
  };
  const providerCheck = async (runs: boolean): Promise<Finding> =>
    isNamed
      ? checkProvider(config, node, cwd, runs)
      : skip("no provider is named", "doctor --provider NAME, or --config FILE");

  const context = await connected(input, config, node, isNamed);
  if ("finding" in context) {
    add("cluster", context.finding);
    add("provider", await guarded(() => providerCheck(false)));
  } else {
    try {
      add("cluster", ok(`${context.client.server} answers, as ${context.user}`));
      const checks: readonly [string, () => Promise<Finding> | Finding][] = [
        ["clock", () => checkClock(context)],
        ["permissions", () => checkAccess(context)],
        ["node name", () => checkName(context)],
        ["taints, labels", () => checkTaintsAndLabels(context)],
        ["reachability", () => checkReach(context)],
        ["certificate", () => checkCertificate(context)],
        ["approval", () => checkApproval(context)],
        ["metrics-server", () => checkMetrics(context)],
        ["provider", () => providerCheck(isAlive(context))],
        [
          "DaemonSets",
          async () => checkDaemonSets(context, (await context.client.list(daemonSets, { timeoutMs: callMs })).items),
        ],
      ];
      for (const [name, check] of checks) add(name, await guarded(check));
    } finally {
      await context.client.close();
    }
  }
  const well = findings.every(({ status }) => status !== "fail");
  if (json) stdout.write(`${JSON.stringify({ ok: well, node: node.name, findings }, undefined, 2)}\n`);
  else stdout.write(summary(findings));
  if (config.nodes.length > 1 && !json)
    stderr.write(`of the first of ${config.nodes.length} nodes: choose another with --nodename\n`);
  return well ? 0 : 1;
}

/** A check that cannot be done has found nothing out; what keeps it from it is told. */
async function guarded(check: () => Promise<Finding> | Finding): Promise<Finding> {
  try {
    return await check();
  } catch (error) {
    if (isErrorKind(error, "Forbidden"))
      return skip(
        `these credentials may not look: ${errorText(error)}`,
        "run doctor as administrator too (--kubeconfig)",
      );
    return fail(errorText(error));
  }
}

/** With what all checks look at; or why the cluster cannot be asked at all. */
async function connected(
  { env, cwd }: Invocation,
  config: DoctorContext["config"],
  node: DoctorContext["node"],
  isNamed: boolean,
): Promise<DoctorContext | { readonly finding: Finding }> {
  let client: DoctorContext["client"] | undefined;
  try {
    const kubeconfig = config.kubeconfig === env["KUBECONFIG"] ? undefined : config.kubeconfig;
    const cluster = await resolveClusterConfig({ kubeconfig, context: config.kubeContext, env: { ...env } });
    client = await clientOf(config, env);
    const signal = AbortSignal.timeout(callMs);
    // Asked once beforehand: identify waits for ever for a server that is away.
    await client.getRaw("/version", { signal, timeoutMs: callMs });
    const who = { cluster: config.clusterId ?? "doctor", clock: systemClock, log: silentLogger };
    const { user } = await identify(client, who, signal);
    const read = async <T>(asked: Promise<T>): Promise<T | undefined> => {
      try {
        return await asked;
      } catch (error) {
        // What is forbidden is told with the permissions.
        if (isErrorKind(error, "NotFound", "Forbidden")) return undefined;
        throw error;
      }
    };
    const { name } = node;
    return {
      ...{ config, node, cluster, client, user, now: Date.now },
      registered: await read(client.get(nodes, { name }, { timeoutMs: callMs })),
      lease: await read(client.get(leases, { namespace: leaseNamespace, name }, { timeoutMs: callMs })),
      description: isNamed ? await describe(config, node, cwd) : undefined,
    };
  } catch (error) {
    await client?.close();
    return { finding: clusterFault(error) };
  }
}

function clusterFault(error: unknown): Finding {
  const text = errorText(error);
  switch (VirtualKubeletError.from(error).kind) {
    case "Invalid":
      return fail(text, "--kubeconfig FILE, or $KUBECONFIG");
    case "Unauthorized":
      return fail(`the API server does not accept the credentials: ${text}`, "renew those of the kubeconfig");
    case "Forbidden":
      return fail(text, "kubectl apply -f deploy/rbac.yaml");
    default:
      return fail(
        `the API server does not answer: ${text}`,
        "see whether the server of the kubeconfig is right and can be reached from here (firewall, proxy, its certificate)",
      );
  }
}
