// Reads the provider's configuration: the object in the program's, a file of its own in YAML or JSON, or the Go provider's file and
// variables. What is written down for this provider goes before variables; they go before the Go provider's file, as with that.
import { readFile } from "node:fs/promises";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type ProviderConfigSource, readProviderConfig } from "@virtual-kubelet/virtual-kubelet/host";
import { parse as parseToml } from "smol-toml";
import type { EciConfig } from "./config.ts";
import { parseEciConfig } from "./config-schema.ts";
import { type Environment, fromGoFile, fromGoVariables, goWays, isSettings, mergedSettings } from "./go-config.ts";

export interface ConfigSource extends ProviderConfigSource {
  readonly env: Environment;
}

/** Throws Invalid with all faults in one message. */
export async function readEciConfig(source: ConfigSource): Promise<EciConfig> {
  const { path, object, env } = source;
  const variables = fromGoVariables(env);
  if (object === undefined && path === undefined) return parseEciConfig(mergedSettings(goWays, variables));
  if (path?.endsWith(".toml") === true && object === undefined)
    return parseEciConfig(mergedSettings(goWays, fromGoFile(await tomlOf(path)), variables));
  const given = await readProviderConfig("eci", source, (value) => value);
  // What is no object is a fault that the schema names.
  return parseEciConfig(isSettings(given) ? mergedSettings(variables, given) : given);
}

async function tomlOf(path: string): Promise<unknown> {
  try {
    return parseToml(await readFile(path, "utf8"));
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}
