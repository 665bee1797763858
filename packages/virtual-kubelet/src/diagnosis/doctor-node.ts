// Checks of `doctor` on the Node object: does its name belong to somebody else, are taints and labels as configured, what of
// DaemonSets lands on it. Pure.
import { nodeOfUser } from "../identity.ts";
import type { Stored } from "../kube/resource.ts";
import type { DaemonSet, Node, Pod } from "../kube/types.gen.ts";
import { nodeFromTemplate, taintId } from "../node/node-object.ts";
import { nodeUserMayLabel } from "../node/node-restriction.ts";
import { refusals } from "../pod/capabilities.ts";
import { matchesNode, tolerates } from "../pod/node-match.ts";
import { nodeSpecOf } from "../program/assemble.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { heardOf, isOurs, isVirtual } from "../program/foreign-nodes.ts";
import { isOwnAddress } from "../program/node-ip.ts";
import { type Finding, fail, type NodeContext, ok, warn } from "./doctor-check.ts";
import { relative, timeOf } from "./times.ts";

export const isAlive = ({ lease, now }: Pick<NodeContext, "lease" | "now">): boolean =>
  heardOf(lease, now()) !== undefined;

/** Of a kubelet that lives: the program does not start with that name. */
export const isForeign = (context: Pick<NodeContext, "registered" | "lease" | "now">): boolean =>
  context.registered !== undefined && !isVirtual(context.registered) && isAlive(context);

/** Node credentials that are those of another node. */
export function foreignCredentials(user: string, name: string): Finding | undefined {
  const own = nodeOfUser(user);
  if (own === undefined || own === name) return undefined;
  return fail(
    `these credentials are of node ${own}, and the node is named ${name}`,
    `--nodename ${own}, or the credentials of a ServiceAccount with deploy/rbac.yaml, which may have many nodes`,
  );
}

/** Whether the program would serve the node on this machine; an administrator may look at it from any other. */
function isForHere({ user, isPlacedHere = false }: Pick<NodeContext, "user" | "isPlacedHere">): boolean {
  return isPlacedHere || nodeOfUser(user) !== undefined || user.startsWith("system:serviceaccount:");
}

/** Whether the configuration names an address of this machine: for the node, or to listen on. */
export function placedHere(node: NodeConfig, { kubelet }: Pick<Config, "kubelet">): boolean {
  return [node.internalIP, node.listenAddress ?? kubelet.address].some(
    (address) => address !== undefined && !/^127\.|^::1$/.test(address) && isOwnAddress(address),
  );
}

type NameContext = Pick<NodeContext, "node" | "user" | "registered" | "lease" | "now" | "isPlacedHere">;

export function checkName(context: NameContext): Finding {
  const { node, user, registered, lease, now } = context;
  const { name } = node;
  const foreign = foreignCredentials(user, name);
  if (foreign !== undefined) return foreign;
  if (registered === undefined) return ok(`no node is named ${name} yet`);
  const { status } = registered;
  const version = status?.nodeInfo?.kubeletVersion ?? "";
  const ours = isOurs(registered);
  const heard = relative(timeOf(lease?.spec?.renewTime) ?? 0, now());
  const alive = isAlive(context);
  if (isForeign(context))
    return fail(
      `node ${name} belongs to another kubelet (${version}), heard of ${heard}: the program leaves it alone, and ends`,
      "choose another --nodename",
    );
  if (!ours && alive)
    return fail(
      `node ${name} belongs to another virtual kubelet (${version}), heard of ${heard}: two writers would fight for it`,
      "end that program first, or choose another --nodename",
    );
  if (!ours)
    return warn(
      `node ${name} was made by something else (${version}), which is not heard of any more`,
      `if it is gone for good: kubectl delete node ${name}; else choose another --nodename`,
    );
  const at = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  if (alive && at !== undefined && at !== node.internalIP && !isOwnAddress(at))
    return isForHere(context)
      ? warn(
          `node ${name} is ours, and a program at ${at} runs it, which is not this machine: two of them would fight for it`,
          "choose another --nodename, or end that program first",
        )
      : ok(`node ${name} is ours, and a program at ${at} runs it, not on this machine: start none with this name here`);
  if (alive) return ok(`node ${name} is ours, and a program runs it: start no second one with this name`);
  return ok(`node ${name} is ours, and nothing runs it now`);
}

export function checkTaintsAndLabels({
  config,
  node,
  user,
  registered,
}: Pick<NodeContext, "config" | "node" | "user" | "registered">): Finding {
  const wanted = nodeFromTemplate(nodeSpecOf(node, config));
  const taints = wanted.spec?.taints ?? [];
  const open = taints.some(({ effect }) => effect === "NoSchedule" || effect === "NoExecute")
    ? undefined
    : "the node has no taint that keeps ordinary pods off";
  const isNode = nodeOfUser(user) !== undefined;
  const forbidden = isNode ? Object.keys(node.labels).filter((key) => !nodeUserMayLabel(key)) : [];
  if (forbidden.length > 0)
    return fail(
      `node credentials may not set the labels ${forbidden.join(", ")}`,
      `leave them out of the configuration, and have an administrator set them: kubectl label node ${node.name} ...`,
    );
  if (registered !== undefined) {
    const present = (registered.spec?.taints ?? []).map(taintId);
    const missing = taints.filter((taint) => !present.includes(taintId(taint)));
    if (missing.length > 0) {
      const list = missing.map(({ key, value = "", effect }) => `${key}=${value}:${effect}`).join(" ");
      return warn(
        `node ${node.name} lacks the taints ${list}`,
        isNode
          ? `an administrator has to set them: kubectl taint node ${node.name} ${list}`
          : "they are set when the program runs",
      );
    }
    const labels = registered.metadata.labels ?? {};
    const other = Object.entries(wanted.metadata?.labels ?? {}).filter(
      // The role that is set by default is none for a node to give itself; those that are configured are told above.
      ([key, value]) => labels[key] !== value && !(isNode && !nodeUserMayLabel(key)),
    );
    if (other.length > 0)
      return warn(
        `node ${node.name} lacks the labels ${other.map(([key, value]) => `${key}=${value}`).join(", ")}`,
        "they are set when the program runs with this configuration",
      );
  }
  if (open !== undefined)
    return warn(open, "leave out --disable-taint, or set one under taints of the node, unless that is meant");
  return ok(`taint ${taints.map(({ key, value = "", effect }) => `${key}=${value}:${effect}`).join(", ")}`);
}

const networking = /kube-proxy|calico|cilium|flannel|weave|canal|kindnet|aws-node|azure-cni|antrea|kube-router|cni/i;
/** The DaemonSet controller makes every pod tolerate what it says of the node's own state. */
const ownTaint = /^node\.kubernetes\.io\//;

/** Those whose pods the scheduler would bring to this node. */
function landing(sets: readonly Stored<DaemonSet>[], node: Node): readonly Stored<DaemonSet>[] {
  return sets.filter(({ spec }) => {
    const pod = spec?.template.spec;
    if (pod === undefined || !matchesNode(pod, node)) return false;
    return (node.spec?.taints ?? []).every(
      (taint) => taint.effect === "PreferNoSchedule" || ownTaint.test(taint.key) || tolerates(pod.tolerations, taint),
    );
  });
}

export function checkDaemonSets(
  { config, node, registered, description }: Pick<NodeContext, "config" | "node" | "registered" | "description">,
  sets: readonly Stored<DaemonSet>[],
): Finding {
  const found = landing(sets, registered ?? nodeFromTemplate(nodeSpecOf(node, config)));
  if (found.length === 0) return ok(`none of ${sets.length} DaemonSets puts pods on the node`);
  const told = found.map(({ metadata, spec }) => {
    const pod: Pod = { ...spec?.template };
    const [fault] = refusals(pod, description?.capabilities ?? {});
    const what = networking.test(metadata.name) ? " (network of real nodes: useless here)" : "";
    return `${metadata.namespace}/${metadata.name}${what}${fault === undefined ? "" : ` (refused: ${fault.field})`}`;
  });
  const network = found.filter(({ metadata }) => networking.test(metadata.name));
  const [first, ...more] = network.length > 0 ? network : found;
  const patch = JSON.stringify({
    spec: {
      template: {
        spec: {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [
                  { matchExpressions: [{ key: "type", operator: "NotIn", values: ["virtual-kubelet"] }] },
                ],
              },
            },
          },
        },
      },
    },
  });
  const keep = (name: string, namespace: string): string =>
    `kubectl patch daemonset ${name} -n ${namespace} -p '${patch}'`;
  const names = [first, ...more].map((one) => `${one?.metadata.namespace}/${one?.metadata.name}`);
  const command =
    more.length === 0
      ? keep(first?.metadata.name ?? "", first?.metadata.namespace ?? "")
      : `for one in ${names.join(" ")}; do ${keep(`$\{one#*/}`, `$\{one%/*}`)}; done`;
  return warn(
    `DaemonSets put pods on the node: ${told.join(", ")}`,
    `keep off those that do not belong there: ${command} (it replaces their node affinity)`,
  );
}
