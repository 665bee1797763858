// The Node that a virtual node asks for, as a kubelet would set it: configuration and the provider's report in, v1.Node out. Pure.
import { createHash } from "node:crypto";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { parseQuantity } from "../kube/quantity.ts";
import type {
  ContainerImage,
  Node,
  NodeAddress,
  NodeCondition,
  NodeSystemInfo,
  Quantity,
  Taint,
} from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import { type NotReady, nodeConditions } from "./node-conditions.ts";

/** What is configured about one virtual node. A NodeReport of its provider overrides the parts that it names. */
export interface NodeTemplate {
  readonly name: string;
  readonly provider: { readonly name: string; readonly version: string };
  /** `status.nodeInfo.kubeletVersion`, e.g. "v1.36.3-vk-0.1.0". Readers parse its beginning. */
  readonly kubeletVersion: string;
  /** Default "linux". */
  readonly operatingSystem?: string | undefined;
  /** As Go names it: "amd64" (default), "arm64". */
  readonly architecture?: string | undefined;
  /** Beside the labels every node has; win over those. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Default: providerTaint(provider.name). An empty list for none. */
  readonly taints?: readonly Taint[] | undefined;
  /**
   * InternalIP addresses, primary first; others as wanted. None by default. Leave Hostname out unless the API server can resolve
   * it: by default it dials that address first. 127.0.0.1 works for logs and exec, not for the nodes/proxy path.
   */
  readonly addresses?: readonly NodeAddress[] | undefined;
  /** Resources not named: `defaultCapacity`. */
  readonly capacity?: Readonly<Record<string, Quantity>> | undefined;
  /** Resources not named: their capacity. */
  readonly allocatable?: Readonly<Record<string, Quantity>> | undefined;
  readonly nodeInfo?: Partial<NodeSystemInfo> | undefined;
  readonly providerID?: string | undefined;
  /** Where the kubelet API listens; default 10250. */
  readonly port?: number | undefined;
  /** `status.declaredFeatures`; each is a promise with readers. Default none. */
  readonly declaredFeatures?: readonly string[] | undefined;
}

/** A Node with the parts that ours always have. */
export interface DesiredNode extends Node {
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

/** What a virtual node offers when nothing else is said: a back end that grows with its use. A kubelet always names these four. */
export const defaultCapacity: Readonly<Record<string, Quantity>> = {
  cpu: "1000",
  memory: "4Ti",
  pods: "5000",
  "ephemeral-storage": "16Ti",
};

/** A kubelet's. */
export const defaultPort = 10_250;

/** As a kubelet's nodeStatusMaxImages, and the names it tells of each: the Node is to stay small. */
const maxImages = 50;
const maxNames = 5;

export const taintEffects: readonly string[] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** The taint that keeps pods away that were not meant for virtual nodes. Throws Invalid for an unknown effect. */
export function providerTaint(
  provider: string,
  options: {
    /** Default "virtual-kubelet.io/provider". */
    readonly key?: string | undefined;
    /** Default the provider's name. */
    readonly value?: string | undefined;
    /** Default "NoSchedule". */
    readonly effect?: string | undefined;
  } = {},
): Taint {
  const taint = {
    key: options.key ?? "virtual-kubelet.io/provider",
    value: options.value ?? provider,
    effect: options.effect ?? "NoSchedule",
  };
  throwFaults("taint", taintFaults([taint], "taint"));
  return taint;
}

/** The node as configured. Throws Invalid with all faults of the template in one message. */
export function nodeFromTemplate(template: NodeTemplate): Node {
  const { name, provider } = template;
  const taints = template.taints ?? [providerTaint(provider.name)];
  throwFaults(`node ${name}`, [
    ...(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && name.length <= 253 ? [] : [`name: "${name}" is no node name`]),
    ...taintFaults(taints, "taints"),
    ...quantityFaults(template.capacity, "capacity"),
    ...quantityFaults(template.allocatable, "allocatable"),
    ...addressFaults(template.addresses, "addresses"),
  ]);
  const operatingSystem = template.operatingSystem ?? "linux";
  const architecture = template.architecture ?? "amd64";
  const capacity = { ...defaultCapacity, ...template.capacity };
  const addresses = template.addresses ?? [];
  const features = [...new Set(template.declaredFeatures)].sort();
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        ...systemLabels(operatingSystem, architecture),
        "kubernetes.io/hostname": name.slice(0, 63).replace(/[^a-z0-9]+$/, ""),
        "kubernetes.io/role": "agent",
        type: "virtual-kubelet",
        ...template.labels,
      },
      annotations: { ...template.annotations },
    },
    spec: {
      taints,
      ...(template.providerID === undefined ? {} : { providerID: template.providerID }),
    },
    status: {
      ...(addresses.length === 0 ? {} : { addresses }),
      capacity,
      allocatable: { ...capacity, ...template.allocatable },
      daemonEndpoints: { kubeletEndpoint: { Port: template.port ?? defaultPort } },
      nodeInfo: {
        machineID: digest("machine", name).slice(0, 32),
        systemUUID: uuid("system", name),
        bootID: uuid("boot", name),
        kernelVersion: "0.0.0",
        osImage: `Virtual Kubelet (${provider.name})`,
        containerRuntimeVersion: `${provider.name}://${provider.version}`,
        kubeletVersion: template.kubeletVersion,
        kubeProxyVersion: "",
        operatingSystem,
        architecture,
        ...template.nodeInfo,
      },
      ...(features.length === 0 ? {} : { declaredFeatures: features }),
    },
  };
}

/**
 * The node as it should be now: the configured one, overlaid with the provider's report, and the port where it differs
 * from the configured one. Conditions are without times.
 * Throws Invalid when the configured node lost its name (a provider's `configureNode` may have made it).
 */
export function desiredNode(
  base: Node,
  report: NodeReport | undefined,
  notReady: NotReady | undefined,
  port?: number,
): DesiredNode {
  const name = base.metadata?.name;
  if (name === undefined) throw new VirtualKubeletError("Invalid", "node without a name", { field: "metadata.name" });
  const capacity = { ...base.status?.capacity, ...report?.capacity };
  const nodeInfo = base.status?.nodeInfo;
  const addresses = report?.addresses ?? base.status?.addresses;
  const conditions: readonly NodeCondition[] = nodeConditions([base.status?.conditions, report?.conditions], notReady);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        ...base.metadata?.labels,
        ...systemLabels(report?.nodeInfo?.operatingSystem, report?.nodeInfo?.architecture),
        ...report?.labels,
      },
      annotations: { ...base.metadata?.annotations, ...report?.annotations },
    },
    spec: { ...base.spec, taints: mergeTaints(base.spec?.taints ?? [], report?.taints ?? []) },
    status: {
      ...base.status,
      ...(addresses === undefined ? {} : { addresses }),
      capacity,
      // A reported capacity is allocatable as a whole, unless the report says otherwise: what was configured may exceed it.
      allocatable: { ...capacity, ...base.status?.allocatable, ...report?.capacity, ...report?.allocatable },
      conditions,
      ...(report?.images === undefined ? {} : { images: largestImages(report.images) }),
      ...(report?.features === undefined ? {} : { features: report.features }),
      ...(report?.runtimeHandlers === undefined ? {} : { runtimeHandlers: report.runtimeHandlers }),
      ...(port === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: port } } }),
      ...(nodeInfo === undefined ? {} : { nodeInfo: { ...nodeInfo, ...report?.nodeInfo } }),
    },
  };
}

/** Those of one size by name, so that nothing is written anew for nothing. */
function largestImages(images: readonly ContainerImage[]): readonly ContainerImage[] {
  const first = ({ names }: ContainerImage): string => names?.[0] ?? "";
  return images
    .filter(({ names = [] }) => names.length > 0)
    .sort((a, b) => (b.sizeBytes ?? 0) - (a.sizeBytes ?? 0) || (first(a) < first(b) ? -1 : 1))
    .slice(0, maxImages)
    .map(({ names = [], sizeBytes = 0 }) => ({ names: names.slice(0, maxNames), ...(sizeBytes > 0 && { sizeBytes }) }));
}

/** The report with these resources as the user set them, whatever the provider says it has of them. */
export function withCapacity(report: NodeReport, capacity: Readonly<Record<string, Quantity>>): NodeReport {
  return {
    ...report,
    capacity: { ...report.capacity, ...capacity },
    ...(report.allocatable === undefined ? {} : { allocatable: { ...report.allocatable, ...capacity } }),
  };
}

/** Throws Invalid with all faults of a provider's report in one message. */
export function checkNodeReport(report: NodeReport): void {
  throwFaults("node report", [
    ...taintFaults(report.taints ?? [], "taints"),
    ...quantityFaults(report.capacity, "capacity"),
    ...quantityFaults(report.allocatable, "allocatable"),
    ...addressFaults(report.addresses, "addresses"),
    ...(report.conditions ?? []).flatMap(({ type, status }, index) =>
      type !== "" && ["True", "False", "Unknown"].includes(status) ? [] : [`conditions[${index}]: status "${status}"`],
    ),
  ]);
}

/** Two taints are the same when key and effect are: the API server allows no two of them. */
export const taintId = ({ key, effect }: Pick<Taint, "key" | "effect">): string => `${key}:${effect}`;

function mergeTaints(...lists: readonly (readonly Taint[])[]): readonly Taint[] {
  return [...new Map(lists.flat().map((taint) => [taintId(taint), taint])).values()];
}

function systemLabels(os: string | undefined, arch: string | undefined): Record<string, string> {
  return {
    ...(os === undefined ? {} : { "kubernetes.io/os": os, "beta.kubernetes.io/os": os }),
    ...(arch === undefined ? {} : { "kubernetes.io/arch": arch, "beta.kubernetes.io/arch": arch }),
  };
}

function taintFaults(taints: readonly Taint[], field: string): readonly string[] {
  return taints.flatMap(({ key, value, effect }, index) => [
    ...(/^([a-z0-9.-]+\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(key)
      ? []
      : [`${field}[${index}].key: "${key}"`]),
    ...(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value ?? "")
      ? []
      : [`${field}[${index}].value: "${value ?? ""}"`]),
    ...(taintEffects.includes(effect)
      ? []
      : [`${field}[${index}].effect: "${effect}" is none of ${taintEffects.join(", ")}`]),
  ]);
}

function quantityFaults(list: Readonly<Record<string, Quantity>> | undefined, field: string): readonly string[] {
  return Object.entries(list ?? {}).flatMap(([name, value]) => {
    try {
      return parseQuantity(value) < 0n ? [`${field}.${name}: "${value}" is negative`] : [];
    } catch (error) {
      return [`${field}.${name}: ${errorText(error)}`];
    }
  });
}

function addressFaults(addresses: readonly NodeAddress[] | undefined, field: string): readonly string[] {
  const seen = new Set<string>();
  return (addresses ?? []).flatMap(({ type, address }, index) => {
    const id = `${type} ${address}`;
    if (address !== "" && !seen.has(id)) {
      seen.add(id);
      return [];
    }
    return [`${field}[${index}]: ${address === "" ? "empty" : `${id} twice`}`];
  });
}

function throwFaults(what: string, faults: readonly string[]): void {
  if (faults.length > 0) {
    throw new VirtualKubeletError("Invalid", `${what}: ${faults.join("; ")}`, { field: faults[0]?.split(":")[0] });
  }
}

/** Ids that stay the same for a node name, on whatever machine and after whatever restart. */
function digest(what: string, name: string): string {
  return createHash("sha256").update(`virtual-kubelet ${what} ${name}`).digest("hex");
}

function uuid(what: string, name: string): string {
  const hex = digest(what, name);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
