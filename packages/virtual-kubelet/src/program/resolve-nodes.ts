// Which nodes there are, and what holds for each: flags and environment over the node's entry in the file over its nodeDefaults.
import { basename } from "node:path";
import type { Taint } from "../kube/types.gen.ts";
import {
  defaultKubeletPort,
  defaultNodeName,
  defaultTaintKey,
  type KubeletConfig,
  type NodeConfig,
  nodeDefaults,
  type ProviderConfig,
} from "./config.ts";
import type { FileSettings, NodeEntry, NodeSettings, OverrideSettings } from "./config-settings.ts";
import type { Fault } from "./fault.ts";
import type { Layer } from "./overrides.ts";

/** Adds what is wrong to `faults`. */
export function resolveNodes(
  flags: OverrideSettings,
  env: OverrideSettings,
  file: Layer<FileSettings> | undefined,
  kubelet: KubeletConfig,
  faults: Fault[],
): NodeConfig[] {
  const settings = file?.settings ?? {};
  const listed = settings.nodes ?? [];
  const names = new Set<string>();
  const entries = chooseEntries(flags, env, listed, faults);
  const isAlone = entries.length === 1 && (entries[0]?.count ?? 1) === 1;
  // Over all entries: a port given by flag or environment holds for all of them.
  let counted = 0;
  const overridden = (flags.nodeOverrides?.port ?? env.nodeOverrides?.port) !== undefined;
  const portOf = (port: number | undefined, index: number): number => {
    if (!kubelet.serve || kubelet.sharedPort) return port ?? defaultKubeletPort;
    if (port === undefined) return isAlone ? defaultKubeletPort : 0;
    return port === 0 ? 0 : port + (overridden ? counted++ : index);
  };
  // A file that cannot be read may well name one.
  const isFileRead = file?.faults.every(({ path }) => path !== undefined) ?? true;
  const listening = new Map<string, string>();
  return entries.flatMap((entry) => {
    const same = listed.indexOf(entry);
    const index = same >= 0 ? same : listed.findIndex(({ name }) => name === entry.name);
    const listedAt = index < 0 ? undefined : file?.sourceOf(`nodes[${index}].name`);
    const source = listedAt ?? (flags.nodeName === undefined ? "$DEFAULT_NODE_NAME" : "--nodename");
    if (entry.count === undefined && entry.name.includes("{}")) {
      const message = `"${entry.name}" is a pattern: say how many nodes (--nodes, or count in the file)`;
      faults.push({ source, message });
    }
    const layers = [settings.nodeDefaults ?? {}, entry, env.nodeOverrides ?? {}, flags.nodeOverrides ?? {}];
    const { name: providerName, ...provider } = layers.map((layer) => layer.provider ?? {}).reduce(mergeProvider);
    if (providerName === undefined && isFileRead && !isProviderFaulty(file, index)) {
      const where = listedAt ?? "--provider";
      const message = `node ${entry.name} has no provider: give a built-in name (see "providers"), an npm package, or the path of a module`;
      faults.push({ source: where, message });
    }
    const merged = mergeNodes(layers);
    const taints = taintsOf(merged, { ...env.taint, ...flags.taint }, providerName ?? "");
    return numbered(entry).map((name, index): NodeConfig => {
      if (names.has(name)) faults.push({ source, message: `two nodes are named ${name}` });
      names.add(name);
      const port = portOf(merged.port, index);
      const place = `${merged.listenAddress ?? kubelet.address}:${port}`;
      const other = port === 0 || kubelet.sharedPort || !kubelet.serve ? undefined : listening.get(place);
      if (other !== undefined) {
        const message = `nodes ${other} and ${name} both listen on port ${port}: give them ports or listenAddresses that differ, port 0, or set kubelet.sharedPort`;
        faults.push({ source, message });
      }
      if (port > 65_535)
        faults.push({ source, message: `node ${name} would have port ${port}, the last one is 65535` });
      listening.set(place, name);
      return { name, provider: { name: providerName ?? "", ...provider }, ...nodeDefaults, ...merged, port, taints };
    });
  });
}

/** Something under the provider of this entry, or its very key, is told to be wrong: it is there. */
function isProviderFaulty(file: Layer<FileSettings> | undefined, index: number): boolean {
  const places = ["nodeDefaults", `nodes[${index}]`];
  return (file?.faults ?? []).some(({ path = "", message }) =>
    places.some(
      (place) =>
        path.startsWith(`${place}.provider`) ||
        (path.startsWith(`${place}.`) && message.endsWith("(did you mean provider?)")),
    ),
  );
}

/** The entries of the file, or those that a name or number given by flag or environment means. */
function chooseEntries(
  flags: OverrideSettings,
  env: OverrideSettings,
  listed: readonly NodeEntry[],
  faults: Fault[],
): readonly NodeEntry[] {
  const name = flags.nodeName ?? env.nodeName;
  const count = flags.nodeCount;
  const all = listed.length > 0 ? listed : [{ name: defaultNodeName }];
  const entries = name === undefined ? all : [entryOf(name, listed)];
  if (count === undefined) return entries;
  if (entries.length === 1) return entries.map((entry) => ({ ...entry, count }));
  const message = `the configuration file lists ${entries.length} nodes: say with --nodename which one is meant`;
  faults.push({ source: "--nodes", message });
  return entries;
}

/** The entry of this name, or of which this is one of the numbered names. */
function entryOf(name: string, listed: readonly NodeEntry[]): NodeEntry {
  const exact = listed.find((entry) => entry.name === name);
  if (exact !== undefined) return exact;
  const { count: _count, ...one } = listed.find((entry) => numbered(entry).includes(name)) ?? { name };
  return { ...one, name };
}

/** `vk-{}` with count 2: vk-0, vk-1. */
function numbered({ name, count }: NodeEntry): string[] {
  if (count === undefined) return [name];
  const pattern = name.includes("{}") ? name : `${name}-{}`;
  return Array.from({ length: count }, (_, index) => pattern.replace("{}", String(index)));
}

/** Another provider brings nothing of the settings of the one below. */
function mergeProvider(below: Partial<ProviderConfig>, above: Partial<ProviderConfig>): Partial<ProviderConfig> {
  if (above.name !== undefined && above.name !== below.name) return above;
  if (above.config === undefined && above.configPath === undefined) return below;
  const { config: _config, configPath: _configPath, ...name } = below;
  return { ...name, ...above };
}

function mergeNodes(
  layers: readonly (NodeSettings & { readonly name?: string; readonly count?: number })[],
): Omit<NodeSettings, "provider"> {
  let merged: Omit<NodeSettings, "provider"> = {};
  for (const { provider: _provider, name: _name, count: _count, ...settings } of layers) {
    const labels = { ...merged.labels, ...settings.labels };
    const annotations = { ...merged.annotations, ...settings.annotations };
    const capacity = { ...merged.capacity, ...settings.capacity };
    merged = Object.assign({}, merged, settings, { labels, annotations, capacity });
  }
  return merged;
}

/** The taint that keeps ordinary pods off, unless other taints (or none) are asked for. */
function taintsOf(
  node: NodeSettings,
  taint: NonNullable<OverrideSettings["taint"]>,
  provider: string,
): readonly Taint[] {
  if (taint.disabled === true) return [];
  const given = taint.key !== undefined || taint.value !== undefined || taint.effect !== undefined;
  if (!given && node.taints !== undefined) return node.taints;
  return [
    {
      key: taint.key ?? defaultTaintKey,
      value: taint.value ?? shortProviderName(provider),
      effect: taint.effect ?? "NoSchedule",
    },
  ];
}

/** A provider's name as Kubernetes takes it for the value of a label or taint: of a package or file, its last part. */
export function shortProviderName(provider: string): string {
  return basename(provider)
    .replace(/\.[cm]?[jt]s$/, "")
    .replaceAll(/[^A-Za-z0-9_.-]/g, "-")
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "")
    .slice(0, 63)
    .replace(/[^A-Za-z0-9]+$/, "");
}
