// Flags of kube-apiserver as options of the development cluster, for suites that run on both.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { DevClusterOptions } from "../packages/dev-cluster/src/index.ts";
import { VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";

type Options = Partial<DevClusterOptions>;

/** Fields that a gate is about are always there; it is kinds that have to be asked for. */
const alwaysThere = ["ClusterTrustBundle=true", "ClusterTrustBundleProjection=true", "PodCertificateRequest=true"];

const flags: Readonly<Record<string, (value: string, directory: string) => Options>> = {
  "kubelet-certificate-authority": (kubeletCertificateAuthority) => ({ kubeletCertificateAuthority }),
  "audit-log-path": (path, directory) => ({
    audit: (event) => appendFileSync(join(directory, path), `${JSON.stringify(event)}\n`),
  }),
  // It leaves nothing out: suites pick.
  "audit-policy-file": () => ({}),
  "enable-aggregator-routing": () => ({ resourceMetrics: false }),
  "feature-gates": (value) => {
    const gates = value.split(",").filter((gate) => !alwaysThere.includes(gate));
    const [only, ...others] = gates;
    if (only === undefined) return {};
    if (only === "WatchList=false" && others.length === 0) return { watchList: false };
    throw new VirtualKubeletError("Unsupported", `the development cluster has no gates ${gates.join(",")}`);
  },
  "runtime-config": (value) => ({ runtimeConfig: value.split(",").map((each) => each.replace(/=true$/, "")) }),
};

/** Throws for flags that it has nothing for. */
export function optionsOfFlags(args: readonly string[], directory: string): Options {
  let options: Options = {};
  for (const arg of args) {
    const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(arg) ?? [];
    const option = flags[name];
    if (option === undefined) throw new VirtualKubeletError("Unsupported", `the development cluster has no ${arg}`);
    options = { ...options, ...option(value, directory) };
  }
  return options;
}
