// Configurations in docs: the program's own file by its loader, with each provider's part by that provider.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../../packages/virtual-kubelet/src/errors.ts";
import { fieldsOf } from "../../packages/virtual-kubelet/src/host/schema-walk.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";
import { parseCommandLine } from "../../packages/virtual-kubelet/src/program/command-line.ts";
import type { NodeConfig, ProviderConfig } from "../../packages/virtual-kubelet/src/program/config.ts";
import { parseConfigFile } from "../../packages/virtual-kubelet/src/program/config-file.ts";
import { fileSchema } from "../../packages/virtual-kubelet/src/program/config-schema.ts";
import { builtInProviders, loadDescription } from "../../packages/virtual-kubelet/src/program/load-provider.ts";
import { environmentLayer, flagLayer } from "../../packages/virtual-kubelet/src/program/overrides.ts";
import { resolveConfig } from "../../packages/virtual-kubelet/src/program/resolve-config.ts";
import type { ProviderInit } from "../../packages/virtual-kubelet/src/provider.ts";

export interface TextFault {
  /** Within the text, counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** Settings at the top of the file. */
export const settings: readonly string[] = [
  ...new Set(fieldsOf(fileSchema).map(({ path }) => path.split(".")[0]?.replace("[]", "") ?? "")),
];

/** A whole file, or settings that stand in one: where it names no provider, one is thought of. */
export async function configurationFaults(text: string, root: string): Promise<TextFault[]> {
  const file = parseConfigFile(text, "docs", root);
  const names =
    file.settings.nodeDefaults?.provider?.name ??
    file.settings.nodes?.find(({ provider }) => provider?.name !== undefined);
  const flags = flagLayer(parseCommandLine(names === undefined ? ["--provider", "mock"] : []).given);
  const { config, faults } = resolveConfig({ flags, environment: environmentLayer({}), file });
  const found = faults.map(({ source, path, message }): TextFault => {
    const [, line] = /^docs:(\d+):\d+$/.exec(source) ?? [];
    return { line: Number(line ?? 1), message: path === undefined ? message : `${path}: ${message}` };
  });
  if (found.length > 0) return found;
  const ofProviders = await Promise.all(config.nodes.map((node) => providerFaults(node.provider, root)));
  const lineOf = (node: NodeConfig): number => {
    const at = text.split("\n").findIndex((line) => line.includes(`name: ${node.provider.name}`));
    return at < 0 ? 1 : at + 1;
  };
  return ofProviders.flatMap((messages, at) => {
    const node = config.nodes[at];
    return node === undefined ? [] : messages.map((message) => ({ line: lineOf(node), message }));
  });
}

/** What the provider says of its configuration, without touching anything else. */
async function providerFaults({ name, config, configPath }: ProviderConfig, root: string): Promise<string[]> {
  if (!isKnownProvider(name) || (config === undefined && configPath === undefined)) return [];
  const init: ProviderInit = {
    node: "vk-1",
    operatingSystem: "linux",
    cluster: "docs",
    clusterDomain: "cluster.local",
    daemonEndpointPort: 10250,
    config,
    configPath,
    log: silentLogger,
  };
  try {
    await (await loadDescription(name, root))?.(init);
    return [];
  } catch (error) {
    return [errorText(error)];
  }
}

export const isKnownProvider = (name: string): boolean => builtInProviders.some((known) => known.name === name);

/** Without these there is none. */
const mandatory: Readonly<Record<string, object>> = {
  process: { stateDirectory: "/var/lib/virtual-kubelet" },
  containers: { stateDirectory: "/var/lib/virtual-kubelet" },
};

/** `config` of a known provider, or a part of it. */
export function providerConfigFaults(name: string, value: unknown, root: string): Promise<string[]> {
  const config: unknown = typeof value === "object" && value !== null ? { ...mandatory[name], ...value } : value;
  return providerFaults({ name, config }, root);
}

/** The file of --provider-config. */
export async function providerFileFaults(name: string, text: string, root: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "docs-provider-"));
  try {
    const configPath = join(directory, "provider.yaml");
    await writeFile(configPath, text);
    return (await providerFaults({ name, configPath }, root)).map((message) =>
      message.replaceAll(`${configPath}: `, ""),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}
