// Puts the layers together: flags over environment over file over defaults, and what holds between settings checked.
import { isLoopback } from "./address.ts";
import { budgetFaults, resolvedBudgets } from "./budget-config.ts";
import { type Config, type ProcessConfig, processDefaults } from "./config.ts";
import type { FileSettings, OverrideSettings } from "./config-settings.ts";
import type { Fault } from "./fault.ts";
import { flagSpecs } from "./flags.ts";
import type { Layer } from "./overrides.ts";
import { resolveNodes } from "./resolve-nodes.ts";

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
    const flag = flagSpecs.find((spec) => spec.path === other);
    const named = flag === undefined ? other : `${other} (--${flag.name})`;
    faults.push({ source, path, message: `must ${relation} ${named}` });
  };
  const process = resolveProcess(flags.settings, environment.settings, file?.settings ?? {});
  if (process.poll.minInterval > process.poll.maxInterval) {
    fault("poll.minInterval", "poll.maxInterval", "not be longer than");
  }
  const { gracePeriod, gracePeriodCriticalPods, gracePeriodByPodPriority } = process.shutdown;
  if (gracePeriodCriticalPods > gracePeriod)
    fault("shutdown.gracePeriodCriticalPods", "shutdown.gracePeriod", "not be longer than");
  if (gracePeriodByPodPriority.length > 0 && gracePeriod > 0)
    fault("shutdown.gracePeriodByPodPriority", "shutdown.gracePeriod", "not be set beside");
  if ((process.kubelet.certFile === undefined) !== (process.kubelet.keyFile === undefined)) {
    const [given, missing] = process.kubelet.certFile === undefined ? ["keyFile", "certFile"] : ["certFile", "keyFile"];
    fault(`kubelet.${given}`, `kubelet.${missing}`, "come together with");
  }
  if (process.kubelet.certFile !== undefined && process.kubelet.serverTLSBootstrap)
    fault("kubelet.serverTLSBootstrap", "kubelet.certFile", "not be set beside");
  const { bootstrapKubeconfig, certDir } = process.kubelet;
  if (bootstrapKubeconfig !== undefined && certDir === undefined)
    fault("kubelet.bootstrapKubeconfig", "kubelet.certDir", "come together with");
  if (bootstrapKubeconfig !== undefined && process.kubeconfig === undefined)
    fault("kubelet.bootstrapKubeconfig", "kubeconfig", "come together with");
  const viewFault = webViewFault(process);
  if (viewFault !== undefined) {
    const { path } = viewFault;
    const source = layers.map((layer) => layer.sourceOf(path)).find((found) => found !== undefined) ?? "defaults";
    faults.push({ ...viewFault, source });
  }
  const nodes = resolveNodes(flags.settings, environment.settings, file, process.kubelet, faults);
  if (bootstrapKubeconfig !== undefined && nodes.length > 1)
    fault("kubelet.bootstrapKubeconfig", "nodes", "not be set with more than one of the");
  if (file !== undefined) faults.push(...budgetFaults({ ...process, nodes }, file.sourceOf));
  return { config: { ...process, nodes }, faults };
}

/** What of the web view cannot be as it is set. */
function webViewFault({
  webView,
  metricsAddr,
  kubelet,
}: ProcessConfig): { readonly path: string; readonly message: string } | undefined {
  const { enabled, insecureWithoutAuthentication } = webView;
  if (!enabled && !insecureWithoutAuthentication) return undefined;
  const path = insecureWithoutAuthentication ? "webView.insecureWithoutAuthentication" : "webView.enabled";
  if (!enabled) return { path, message: "must come together with webView.enabled" };
  const address = metricsAddr === "" || metricsAddr === "0" ? undefined : /^(?:\[(.+)\]|([^:]*)):/.exec(metricsAddr);
  if (address === undefined || address === null)
    return { path, message: `needs metricsAddr, such as 127.0.0.1:10255, and not "${metricsAddr}"` };
  if (isLoopback(address[1] ?? address[2] ?? "")) return undefined;
  if (insecureWithoutAuthentication)
    return { path, message: `needs a metricsAddr on loopback, such as 127.0.0.1:10255, and not "${metricsAddr}"` };
  if (kubelet.serve) return undefined;
  return {
    path,
    message: `needs kubelet.serve where metricsAddr is not loopback ("${metricsAddr}"): it is served with the certificate of the kubelet API`,
  };
}

type ProcessLayer = Pick<OverrideSettings, keyof ProcessConfig>;

function resolveProcess(flags: ProcessLayer, env: ProcessLayer, file: ProcessLayer): ProcessConfig {
  const from = processDefaults;
  const section = <
    K extends
      | "poll"
      | "node"
      | "shutdown"
      | "lease"
      | "ping"
      | "watch"
      | "streams"
      | "kubelet"
      | "webView"
      | "logging"
      | "tracing",
  >(
    key: K,
  ): ProcessConfig[K] => ({ ...from[key], ...file[key], ...env[key], ...flags[key] });
  const top = { ...from, ...scalars(file), ...scalars(env), ...scalars(flags) };
  return {
    ...top,
    poll: section("poll"),
    node: section("node"),
    shutdown: section("shutdown"),
    lease: section("lease"),
    ping: section("ping"),
    watch: section("watch"),
    streams: section("streams"),
    kubelet: section("kubelet"),
    webView: section("webView"),
    ...resolvedBudgets(file.budgets),
    logging: section("logging"),
    tracing: {
      ...section("tracing"),
      tags: { ...file.tracing?.tags, ...env.tracing?.tags, ...flags.tracing?.tags },
    },
  };
}

/** The settings that have no section, as far as this layer has them. */
function scalars(layer: ProcessLayer): Partial<ProcessConfig> {
  const {
    kubeconfig,
    kubeContext,
    clusterId,
    clusterDomain,
    clusterDNS,
    podSyncWorkers,
    podStatusWorkers,
    podStatusForm,
  } = layer;
  const { fullResyncPeriod, orphanGrace, providerCallTimeout, startupTimeout, metricsAddr } = layer;
  return {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(kubeContext === undefined ? {} : { kubeContext }),
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(clusterDomain === undefined ? {} : { clusterDomain }),
    ...(clusterDNS === undefined ? {} : { clusterDNS }),
    ...(podSyncWorkers === undefined ? {} : { podSyncWorkers }),
    ...(podStatusWorkers === undefined ? {} : { podStatusWorkers }),
    ...(podStatusForm === undefined ? {} : { podStatusForm }),
    ...(fullResyncPeriod === undefined ? {} : { fullResyncPeriod }),
    ...(orphanGrace === undefined ? {} : { orphanGrace }),
    ...(providerCallTimeout === undefined ? {} : { providerCallTimeout }),
    ...(startupTimeout === undefined ? {} : { startupTimeout }),
    ...(metricsAddr === undefined ? {} : { metricsAddr }),
  };
}
