// Puts the layers together: flags over environment over file over defaults, numbered nodes spelt out, and what holds between settings checked.
import { basename } from "node:path";
import type { Taint } from "../kube/types.gen.ts";
import {
  type Config,
  defaultNodeName,
  defaultTaintKey,
  type NodeConfig,
  nodeDefaults,
  type ProcessConfig,
  type ProviderConfig,
  processDefaults,
} from "./config.ts";
import type { FileSettings, NodeEntry, NodeSettings, OverrideSettings } from "./config-schema.ts";
import type { Fault } from "./fault.ts";
import type { Layer } from "./overrides.ts";

export interface Layers {
  readonly flags: Layer<OverrideSettings>;
  readonly environment: Layer<OverrideSettings>;
  readonly file?: Layer<FileSettings> | undefined;
}

export interface Resolved {
  readonly config: Config;
  readonly faults: readonly Fault[];
}

export function resolveConfig({ flags, environment, file }: Layers): Resolved {
  const layers = [flags, environment, ...(file === undefined ? [] : [file])];
  const faults: Fault[] = layers.flatMap((layer) => layer.faults);
  const fault = (path: string, other: string, relation: string): void => {
    const sources = [path, other].flatMap((either) => layers.map((layer) => layer.sourceOf(either)));
    const source = sources.find((found) => found !== undefined) ?? "defaults";
    faults.push({ source, path, message: `must ${relation} ${other}` });
  };
  const process = resolveProcess(flags.settings, environment.settings, file?.settings ?? {});
  if (process.poll.minInterval > process.poll.maxInterval) {
    fault("poll.minInterval", "poll.maxInterval", "not be longer than");
  }
  const nodes = resolveNodes(flags.settings, environment.settings, file, faults);
  return { config: { ...process, nodes }, faults };
}

type ProcessLayer = Pick<OverrideSettings, keyof ProcessConfig>;

function resolveProcess(flags: ProcessLayer, env: ProcessLayer, file: ProcessLayer): ProcessConfig {
  const from = processDefaults;
  const section = <
    K extends "poll" | "node" | "lease" | "ping" | "watch" | "streams" | "kubelet" | "logging" | "tracing",
  >(
    key: K,
  ): ProcessConfig[K] => ({ ...from[key], ...file[key], ...env[key], ...flags[key] });
  const top = { ...from, ...scalars(file), ...scalars(env), ...scalars(flags) };
  return {
    ...top,
    poll: section("poll"),
    node: section("node"),
    lease: section("lease"),
    ping: section("ping"),
    watch: section("watch"),
    streams: section("streams"),
    kubelet: section("kubelet"),
    logging: section("logging"),
    tracing: {
      ...section("tracing"),
      tags: { ...file.tracing?.tags, ...env.tracing?.tags, ...flags.tracing?.tags },
    },
  };
}

/** The settings that have no section, as far as this layer has them. */
function scalars(layer: ProcessLayer): Partial<ProcessConfig> {
  const { kubeconfig, kubeContext, clusterId, clusterDomain, podSyncWorkers, podStatusWorkers } = layer;
  const { fullResyncPeriod, orphanGrace, providerCallTimeout, startupTimeout, metricsAddr } = layer;
  return {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(kubeContext === undefined ? {} : { kubeContext }),
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(clusterDomain === undefined ? {} : { clusterDomain }),
    ...(podSyncWorkers === undefined ? {} : { podSyncWorkers }),
    ...(podStatusWorkers === undefined ? {} : { podStatusWorkers }),
    ...(fullResyncPeriod === undefined ? {} : { fullResyncPeriod }),
    ...(orphanGrace === undefined ? {} : { orphanGrace }),
    ...(providerCallTimeout === undefined ? {} : { providerCallTimeout }),
    ...(startupTimeout === undefined ? {} : { startupTimeout }),
    ...(metricsAddr === undefined ? {} : { metricsAddr }),
  };
}

function resolveNodes(
  flags: OverrideSettings,
  env: OverrideSettings,
  file: Layer<FileSettings> | undefined,
  faults: Fault[],
): NodeConfig[] {
  const settings = file?.settings ?? {};
  const listed = settings.nodes ?? [];
  const name = flags.nodeName ?? env.nodeName;
  let entries: readonly NodeEntry[] = listed.length > 0 ? listed : [{ name: defaultNodeName }];
  if (name !== undefined) entries = [listed.find((entry) => entry.name === name) ?? { name }];
  if (flags.nodeCount !== undefined) {
    const [only, more] = entries;
    if (more !== undefined) {
      const message = `the configuration file lists ${entries.length} nodes: say with --nodename which one is meant`;
      faults.push({ source: "--nodes", message });
    } else if (only !== undefined) entries = [{ ...only, count: flags.nodeCount }];
  }

  const nodes: NodeConfig[] = [];
  const names = new Set<string>();
  for (const entry of entries) {
    const same = listed.indexOf(entry);
    const index = same >= 0 ? same : listed.findIndex(({ name: known }) => known === entry.name);
    const listedAt = index < 0 ? undefined : file?.sourceOf(`nodes[${index}].name`);
    const source = listedAt ?? (flags.nodeName === undefined ? "$DEFAULT_NODE_NAME" : "--nodename");
    if (entry.count === undefined && entry.name.includes("{}")) {
      faults.push({
        source,
        message: `"${entry.name}" is a pattern: say how many nodes (--nodes, or count in the file)`,
      });
    }
    const layered = [settings.nodeDefaults ?? {}, entry, env.nodeOverrides ?? {}, flags.nodeOverrides ?? {}];
    const provider = layered.reduce<Partial<ProviderConfig>>(
      (below, layer) => mergeProvider(below, layer.provider),
      {},
    );
    if (provider.name === undefined) {
      const where = index < 0 ? "--provider" : (file?.sourceOf(`nodes[${index}]`) ?? "--provider");
      const message = `node ${entry.name} has no provider: give a built-in name (see "providers"), an npm package, or the path of a module`;
      if (!faults.some((known) => known.source === where)) faults.push({ source: where, message });
    }
    const complete: ProviderConfig = { ...provider, name: provider.name ?? "" };
    const merged = mergeNodes(layered);
    const taints = taintsOf(merged, { ...env.taint, ...flags.taint }, complete.name);
    for (const nodeName of numbered(entry)) {
      if (names.has(nodeName)) faults.push({ source, message: `two nodes are named ${nodeName}` });
      names.add(nodeName);
      nodes.push({ name: nodeName, provider: complete, ...nodeDefaults, ...merged, taints });
    }
  }
  return nodes;
}

/** `vk-{}` with count 2: vk-0, vk-1. */
function numbered({ name, count }: NodeEntry): string[] {
  if (count === undefined) return [name];
  const pattern = name.includes("{}") ? name : `${name}-{}`;
  return Array.from({ length: count }, (_, index) => pattern.replace("{}", String(index)));
}

/** Another provider brings nothing of the settings of the one below. */
function mergeProvider(
  below: Partial<ProviderConfig>,
  above: Partial<ProviderConfig> | undefined,
): Partial<ProviderConfig> {
  if (above === undefined) return below;
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
