// docs/providers.md, the matrix of what providers can do, from what they declare of themselves.
import { join } from "node:path";
import { describeProvider as describeAci } from "../../packages/provider-aci/src/index.ts";
import { describeProvider as describeContainers } from "../../packages/provider-containers/src/index.ts";
import { describeProvider as describeEci } from "../../packages/provider-eci/src/index.ts";
import { describeProvider as describeFargate } from "../../packages/provider-fargate/src/index.ts";
import { describeProvider as describeNomad } from "../../packages/provider-nomad/src/index.ts";
import { engineCapabilities, engineMethods } from "../../packages/virtual-kubelet/src/engine/pod-engine.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";
import {
  builtInProviders,
  loadCheck,
  loadDescription,
  optionalMethods,
} from "../../packages/virtual-kubelet/src/program/load-provider.ts";
import type { Capabilities, PodFeature } from "../../packages/virtual-kubelet/src/provider/capabilities.ts";
import type { ProviderDescription, ProviderInit } from "../../packages/virtual-kubelet/src/provider.ts";
import { describeProvider as describeMock } from "../../packages/virtual-kubelet/src/providers/mock/mock-provider.ts";
import { parseProcessConfig } from "../../packages/virtual-kubelet/src/providers/process/config.ts";
import { capabilitiesOf } from "../../packages/virtual-kubelet/src/providers/process/process-provider.ts";

const root = join(import.meta.dirname, "../..");

interface Subject {
  readonly describe: (config: object) => Promise<Pick<ProviderDescription, "capabilities" | "methods">>;
  /** The least that it takes. */
  readonly config: object;
  /** Settings that allow more, or less, as they are written. */
  readonly settings: Readonly<Record<string, object>>;
}

const init = (config: object): ProviderInit => ({
  ...{ node: "vk", operatingSystem: "linux", cluster: "docs", clusterDomain: "cluster.local" },
  ...{ daemonEndpointPort: 10250, config, log: silentLogger },
});
const stateDirectory = "/var/lib/virtual-kubelet";

const aciConfig = {
  ...{ subscription: "00000000-0000-0000-0000-000000000000", resourceGroup: "pods", region: "westeurope" },
  credentials: { type: "managedIdentity" },
};
const fargateConfig = {
  ...{ region: "eu-west-1", network: { subnets: ["subnet-0123abcd"] } },
  executionRoleARN: "arn:aws:iam::123456789012:role/execution",
};

/** By the name of --provider. What a composite can is what its members can. */
const subjects: Readonly<Record<string, Subject>> = {
  mock: { describe: async (config) => describeMock(init(config)), config: {}, settings: {} },
  process: {
    // As by root, whoever makes the page.
    describe: async (config) => ({
      capabilities: engineCapabilities(capabilitiesOf(parseProcessConfig(config), true), true),
      methods: engineMethods,
    }),
    config: { stateDirectory },
    settings: {
      allowPrivileged: { allowPrivileged: true },
      hostPaths: { hostPaths: ["/srv"] },
      "isolation: none": { isolation: "none" },
    },
  },
  containers: {
    describe: async (config) => describeContainers(init(config)),
    config: { stateDirectory },
    settings: {
      allowHostNamespaces: { allowHostNamespaces: true },
      allowPrivileged: { allowPrivileged: true },
      hostPaths: { hostPaths: ["/srv"] },
    },
  },
  aci: {
    describe: async ({ operatingSystem = "linux", ...config }: { readonly operatingSystem?: string }) =>
      describeAci({ ...init(config), operatingSystem }),
    config: aciConfig,
    // Of the node, not of the provider.
    settings: { "--os windows": { operatingSystem: "windows" } },
  },
  fargate: {
    describe: async (config) => describeFargate(init(config)),
    config: fargateConfig,
    settings: {
      helperImage: { helperImage: "registry.example.com/busybox:1" },
      "platform: WINDOWS…": { platform: { operatingSystem: "WINDOWS_SERVER_2022_CORE" } },
      logs: { logs: { group: "/pods" } },
      "taskRoles.default": { taskRoles: { default: "arn:aws:iam::123456789012:role/pods" } },
      "stats: false": { stats: false },
      "taskRoles.default and helperImage": {
        taskRoles: { default: "arn:aws:iam::123456789012:role/pods" },
        helperImage: "registry.example.com/busybox:1",
      },
    },
  },
  nomad: {
    describe: async (config) => describeNomad(init(config)),
    config: { address: "http://127.0.0.1:4646" },
    settings: {
      "driver: raw_exec": { driver: "raw_exec" },
      "volumes.csi": { volumes: { csi: ["*"] } },
      "volumes.hostPaths": { volumes: { hostPaths: ["/srv/*"] } },
    },
  },
  eci: {
    describe: async (config) => describeEci(init(config)),
    config: { region: "cn-hangzhou", network: { vSwitches: ["vsw-0123abcd"], securityGroup: "sg-0123abcd" } },
    settings: {
      "allowed.privileged": { allowed: { privileged: true } },
      "allowed.hostPaths": { allowed: { hostPaths: true } },
    },
  },
};

/** The fields of a pod that ask for them. */
const features: Readonly<Record<PodFeature, string>> = {
  initContainers: "`initContainers`",
  sidecarContainers: "`initContainers[].restartPolicy: Always`",
  ephemeralContainers: "`ephemeralContainers` (`kubectl debug`)",
  probes: "`livenessProbe`, `readinessProbe`, `startupProbe`",
  lifecycleHooks: "`lifecycle`",
  hostNetwork: "`hostNetwork`",
  hostPID: "`hostPID`",
  hostIPC: "`hostIPC`",
  hostPorts: "`ports[].hostPort`",
  hostUsers: "`hostUsers: false`",
  privileged: "`securityContext.privileged`",
  securityContext: "`securityContext`, other fields",
  tty: "`stdin`, `tty`",
  resourceClaims: "`resourceClaims`",
  windows: "`os.name: windows`",
};

interface Variant {
  readonly capabilities: Capabilities;
  readonly methods: readonly string[];
}
interface Declared extends Variant {
  readonly name: string;
  readonly describes: boolean;
  readonly checks: boolean;
  readonly variants: readonly (readonly [setting: string, variant: Variant])[];
}

async function declared(name: string): Promise<Declared> {
  const subject = subjects[name];
  if (subject === undefined) throw new Error(`providers-page.ts does not know how to ask the provider ${name}`);
  const { describe, config, settings } = subject;
  const { capabilities, methods = [] } = await describe(config);
  const variants = await Promise.all(
    Object.entries(settings).map(async ([setting, more]) => {
      const changed = await describe({ ...config, ...more });
      return [setting, { capabilities: changed.capabilities, methods: changed.methods ?? [] }] as const;
    }),
  );
  const describes = (await loadDescription(name, root)) !== undefined;
  return { name, capabilities, methods, variants, describes, checks: (await loadCheck(name, root)) !== undefined };
}

/** "yes", "no", or on which setting it depends. */
function cell(declaration: Declared, has: (of: Variant) => boolean): string {
  const { variants } = declaration;
  const standard = has(declaration);
  const differing = variants.flatMap(([setting, changed]) =>
    has(changed) === standard ? [] : [setting.split(" and ")],
  );
  // Two together only where neither does it alone.
  const least = differing.filter(
    (one) => one.length === 1 || !differing.some(([only = "", ...rest]) => rest.length === 0 && one.includes(only)),
  );
  const others = least.map((one) => one.map((setting) => `\`${setting}\``).join(" and "));
  if (others.length === 0) return standard ? "yes" : "no";
  return standard ? `yes, not with ${others.join(", ")}` : `with ${others.join(", ")}`;
}

const yesOrNo = (is: boolean): string => (is ? "yes" : "no");
const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export async function providersPage(): Promise<string> {
  const shown = builtInProviders.filter(({ name }) => name !== "composite");
  const all = await Promise.all(shown.map(({ name }) => declared(name)));
  const cells = (has: (of: Capabilities) => boolean): string[] =>
    all.map((one) => cell(one, ({ capabilities }) => has(capabilities)));
  const head = (title: string): string[] => [
    row(title, ...all.map(({ name }) => `[${name}](${name}.md)`)),
    row("---", ...all.map(() => "---")),
  ];
  const named = [
    ...new Set(
      all.flatMap(({ capabilities, variants }) =>
        [capabilities, ...variants.map(([, changed]) => changed.capabilities)].flatMap(({ volumes }) => volumes ?? []),
      ),
    ),
  ].sort();
  return [
    "# What providers can do",
    "",
    "<!-- Generated by scripts/generate-docs.ts from what the providers declare (describeProvider): change that instead. -->",
    "",
    "What a pod asks for and its provider cannot do is refused before anything is made, with the field named: the pod becomes Failed with",
    "reason `PodFeatureUnsupported`. `virtual-kubelet plan -f pod.yaml --provider NAME` says so beforehand. Image, command, arguments,",
    "environment, ports, requests and limits are in no table: each provider takes them. The mock takes everything, and simulates it.",
    "A node of `composite` can what the member can that a pod goes to: [composite.md](composite.md). Clouds refuse some fields within what",
    'stands here as "yes": their pages say which.',
    "",
    ...all.flatMap(({ name }) => {
      const about = builtInProviders.find((known) => known.name === name)?.about ?? "";
      return [`- \`${name}\`: ${about}`];
    }),
    "",
    "## Fields of pods",
    "",
    ...head("field"),
    ...Object.entries(features).map(([feature, fields]) =>
      row(fields, ...cells((of) => of.features === undefined || of.features.some((one) => one === feature))),
    ),
    "",
    "## Volumes",
    "",
    ...head("kind"),
    ...named.map((kind) => row(`\`${kind}\``, ...cells((of) => of.volumes === undefined || of.volumes.includes(kind)))),
    row("all others", ...cells((of) => of.volumes === undefined)),
    "",
    "## What pods refer to",
    "",
    ...head("what"),
    row(
      "ConfigMaps, Secrets, tokens and Services reach containers (resolved by the core: [resolving.md](resolving.md))",
      ...cells((of) => of.resolve === true),
    ),
    row("containers wait for what they lack, not the whole pod", ...cells((of) => of.resolvePartly === true)),
    row("`env[].valueFrom.fileKeyRef`", ...cells((of) => of.resolve !== true || of.envFiles === true)),
    row(
      "`declaredFeatures` of the node",
      ...all.map(
        ({ capabilities }) => (capabilities.declaredFeatures ?? []).map((one) => `\`${one}\``).join(", ") || "none",
      ),
    ),
    "",
    "## Methods",
    "",
    "Each is a method of the contract that a provider may lack; then its part is not there, and calls for it are answered 501",
    "([kubelet-api.md](kubelet-api.md)).",
    "",
    row("method", "what it is for", ...all.map(({ name }) => `[${name}](${name}.md)`)),
    row("---", "---", ...all.map(() => "---")),
    ...Object.entries(optionalMethods).map(([method, what]) =>
      row(`\`${method}\``, what, ...all.map((one) => cell(one, ({ methods }) => methods.includes(method)))),
    ),
    row(
      "`describeProvider` (exported)",
      "the start (faults of the configuration), `virtual-kubelet plan` without a back end, this page",
      ...all.map(({ describes }) => yesOrNo(describes)),
    ),
    row(
      "`checkProvider` (exported)",
      "`virtual-kubelet doctor` on credentials, rights, quotas, room",
      ...all.map(({ checks }) => yesOrNo(checks)),
    ),
    "",
  ].join("\n");
}
