// Reads the provider's configuration: the object in the program's, a file of its own in YAML or JSON, or the Go provider's file and
// variables. What is written down for this provider goes before variables; in the Go provider's file variables go before it.
import { readFile } from "node:fs/promises";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type ProviderConfigSource, readProviderConfig } from "@virtual-kubelet/virtual-kubelet/host";
import { parse as parseToml } from "smol-toml";
import { type AciConfig, parseAciConfig } from "./config.ts";
import {
  type Environment,
  fromGoFile,
  fromGoVariables,
  isSettings,
  logAnalyticsOf,
  mergedSettings,
  present,
  type Settings,
  withoutIdleSubnet,
} from "./go-config.ts";

export interface ConfigSource extends ProviderConfigSource {
  /** Of the node: "linux" or "windows". */
  readonly operatingSystem: string;
  readonly env: Environment;
  /** What the files of credentials say of subscription, resource group, region and network. */
  readonly account: (env: Environment, given: unknown) => Promise<Settings>;
}

/** What the Go provider does unasked. */
const goWays: Settings = { network: { publicIP: true }, unenforcedSecurity: "warn" };

/** Throws Invalid with all faults in one message. */
export async function readAciConfig(source: ConfigSource): Promise<AciConfig> {
  const { path, object, env } = source;
  const isToml = path?.endsWith(".toml") === true;
  const logAnalytics = logAnalyticsOf(env, await contentOf(env["LOG_ANALYTICS_AUTH_LOCATION"]));
  const variables = mergedSettings(fromGoVariables(env), present({ logAnalytics }));
  if (path !== undefined && isToml && object === undefined) {
    const go = fromGoFile(await tomlOf(path));
    checkSystem(go.operatingSystem, source.operatingSystem);
    return goConfig(mergedSettings(goWays, go.settings, await source.account(env, undefined), variables));
  }
  if (path === undefined && object === undefined)
    return goConfig(mergedSettings(goWays, await source.account(env, undefined), variables));
  const given = await readProviderConfig("aci", source, (value) => value);
  // What is no object is a fault that the schema names.
  if (!isSettings(given)) return parseAciConfig(given);
  const account = await source.account(env, given["credentials"]);
  // What is written down for this provider stays, to be told where it makes no sense.
  return parseAciConfig(mergedSettings(withoutIdleSubnet(mergedSettings(account, variables, given)), given));
}

function goConfig(settings: Settings): AciConfig {
  const { network, ...others } = withoutIdleSubnet(settings);
  const hasSubnet = isSettings(network) && network["subnet"] !== undefined;
  return parseAciConfig({ ...others, network: { ...(isSettings(network) && network), publicIP: !hasSubnet } });
}

/** The node's own setting counts, as in the Go provider; that both differ is told, not passed over. */
function checkSystem(inFile: string, ofNode: string): void {
  if (inFile.toLowerCase() === ofNode) return;
  if (inFile === "Linux") return;
  throw new VirtualKubeletError(
    "Invalid",
    `configuration of the aci provider: OperatingSystem: is ${inFile}, and that of the node is ${ofNode} (--os ${inFile})`,
  );
}

async function tomlOf(path: string): Promise<unknown> {
  try {
    return parseToml(await readFile(path, "utf8"));
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}

async function contentOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined || path === "") return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `LOG_ANALYTICS_AUTH_LOCATION: cannot read ${path}: ${errorText(cause)}`, {
      cause,
    });
  }
}
