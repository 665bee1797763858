// The providers that the configuration names: loaded, and their own settings checked, before anything else is begun.
import { errorText, isErrorKind } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { CreateProvider } from "../provider.ts";
import type { Config } from "./config.ts";
import { type Fault, UsageError } from "./fault.ts";
import { loadDescription, loadProvider } from "./load-provider.ts";
import { providerInit } from "./provider-init.ts";
import { redactText } from "./redact.ts";

/**
 * `createProvider` of all providers by name, each loaded once. Throws UsageError with the faults of all nodes: providers that there
 * are not, and settings that one does not take, as far as its module can tell without being made (`describeProvider`).
 */
export async function loadProviders(config: Config, cwd: string): Promise<ReadonlyMap<string, CreateProvider>> {
  const loaded = new Map<string, CreateProvider>();
  const seen = new Set<string>();
  const faults: Fault[] = [];
  let first: unknown;
  for (const node of config.nodes) {
    const { provider } = node;
    const init = providerInit(node, config, { cluster: "", log: silentLogger });
    // Of nodes that differ by name and port alone one is enough.
    const key = JSON.stringify([provider.name, { ...init, node: "", daemonEndpointPort: 0, log: undefined }]);
    if (seen.has(key)) continue;
    seen.add(key);
    try {
      if (!loaded.has(provider.name)) loaded.set(provider.name, await loadProvider(provider.name, cwd));
      const describe = await loadDescription(provider.name, cwd);
      await describe?.(init);
    } catch (error) {
      if (!isErrorKind(error, "NotFound", "Invalid", "Unsupported")) throw error;
      first ??= error;
      faults.push({ source: `node ${node.name}`, message: redactText(errorText(error)) });
    }
  }
  if (faults.length > 0) throw new UsageError(faults, first);
  return loaded;
}
