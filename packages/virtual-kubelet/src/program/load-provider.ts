// Finds the provider that a name means: built in, an npm package, or a module's path; and checks what it exports and makes.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { VirtualKubeletError } from "../errors.ts";
import { hint } from "../host/closest.ts";
import type {
  CallContext,
  CheckProvider,
  CreateProvider,
  DescribeProvider,
  Provider,
  ProviderInit,
  ProviderMethod,
} from "../provider.ts";

/** Built-in providers by name. Imported only when used. */
const builtIn: Readonly<Record<string, { readonly about: string; readonly load: () => Promise<unknown> }>> = {
  mock: {
    about: "simulates pods in memory or in a process of its own: for trials and tests",
    load: () => import("../providers/mock/mock-provider.ts"),
  },
  process: {
    about: "runs containers as processes of this host, with little isolation: for edge boxes, batch and trials",
    load: () => import("../providers/process/process-provider.ts"),
  },
};

/** Made of other providers, which it loads by what is here. */
const composite = {
  name: "composite",
  about: "gives each pod to one of several other providers by a rule, and to the next when that one has no room",
};

/** Providers with a short name that are in packages of their own, to be installed beside this one. */
const packaged: Readonly<Record<string, { readonly about: string; readonly package: string }>> = {
  containers: {
    about:
      "runs pods in a container engine of its host, Docker or Podman: for edge boxes, CI machines, any host with an engine",
    package: "@virtual-kubelet/provider-containers",
  },
  aci: {
    about: "runs pods as container groups of Azure Container Instances; `azure` is the same",
    package: "@virtual-kubelet/provider-aci",
  },
  fargate: {
    about: "runs pods as tasks of Amazon ECS on AWS Fargate; `aws` is the same",
    package: "@virtual-kubelet/provider-fargate",
  },
  nomad: {
    about: "runs pods as jobs of HashiCorp Nomad",
    package: "@virtual-kubelet/provider-nomad",
  },
  eci: {
    about: "runs pods as container groups of Alibaba Cloud Elastic Container Instance; `alibabacloud` is the same",
    package: "@virtual-kubelet/provider-eci",
  },
};

/** Names that the Go providers go by. */
const aliases: Readonly<Record<string, string>> = { azure: "aci", aws: "fargate", alibabacloud: "eci" };

/** Those that have a short name. */
export const builtInProviders: readonly { readonly name: string; readonly about: string }[] = Object.entries({
  ...builtIn,
  [composite.name]: composite,
  ...packaged,
}).map(([name, { about }]) => ({ name, about }));

/** By a short name, or by one that a Go provider goes by. */
export function isBuiltIn(name: string): boolean {
  return Object.hasOwn(aliases, name) || builtInProviders.some((known) => known.name === name);
}

/** What `createProvider` of the named module is. Throws NotFound, Unsupported, or Invalid for what the module lacks. */
export async function loadProvider(name: string, cwd: string): Promise<CreateProvider> {
  const exported = await importProvider(name, cwd);
  const createProvider =
    memberOf(exported, "createProvider") ?? memberOf(memberOf(exported, "default"), "createProvider");
  if (!isCreateProvider(createProvider)) {
    const names = Object.keys(Object(exported)).join(", ");
    throw new VirtualKubeletError(
      "Invalid",
      `the provider ${name} has no function createProvider among its exports (${names === "" ? "none" : names})`,
    );
  }
  return createProvider;
}

/** `describeProvider` of the named module; undefined where it has none. Throws as loadProvider. */
export async function loadDescription(name: string, cwd: string): Promise<DescribeProvider | undefined> {
  const exported = await importProvider(name, cwd);
  const describe =
    memberOf(exported, "describeProvider") ?? memberOf(memberOf(exported, "default"), "describeProvider");
  return isDescribeProvider(describe) ? describe : undefined;
}

/** `checkProvider` of the named module; undefined where it has none. Throws as loadProvider. */
export async function loadCheck(name: string, cwd: string): Promise<CheckProvider | undefined> {
  const exported = await importProvider(name, cwd);
  const check = memberOf(exported, "checkProvider") ?? memberOf(memberOf(exported, "default"), "checkProvider");
  return isCheckProvider(check) ? check : undefined;
}

async function importProvider(given: string, cwd: string): Promise<unknown> {
  const name = (Object.hasOwn(aliases, given) ? aliases[given] : undefined) ?? given;
  const known = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined;
  if (known !== undefined) return known.load();
  if (name === composite.name) {
    const { compositeModule } = await import("../composite/composite-module.ts");
    return compositeModule({
      create: (member) => loadProvider(member, cwd),
      describe: (member) => loadDescription(member, cwd),
      check: (member) => loadCheck(member, cwd),
    });
  }
  const official = Object.hasOwn(packaged, name) ? packaged[name] : undefined;
  if (official !== undefined) return importPackage(name, official.package, cwd);
  if (/^(unix|https?|grpcs?|tcp):/.test(name)) {
    throw new VirtualKubeletError(
      "Unsupported",
      `provider ${name}: providers at an address are not supported by this version`,
    );
  }
  if (name.startsWith("file:")) return importModule(name, name);
  if (/^\.{1,2}[/\\]/.test(name) || isAbsolute(name)) return importModule(name, pathToFileURL(resolve(cwd, name)).href);
  return importPackage(name, name, cwd);
}

/** Looked for from the working directory, then from this package. */
async function importPackage(name: string, from: string, cwd: string): Promise<unknown> {
  const entry = await packageEntry(from, join(cwd, "package.json"));
  if (entry !== undefined && !existsSync(entry))
    throw new VirtualKubeletError(
      "NotFound",
      `the package of the provider ${name} is there, but its ${entry} is not: in a clone, \`npm run build\` makes it`,
    );
  return importModule(name, entry === undefined ? from : pathToFileURL(entry).href);
}

async function importModule(name: string, specifier: string): Promise<unknown> {
  try {
    return await import(specifier);
  } catch (cause) {
    const code = memberOf(cause, "code");
    // Not what the provider itself imports.
    const ours = String(memberOf(cause, "message")).endsWith(`imported from ${fileURLToPath(import.meta.url)}`);
    const missing = code === "ERR_MODULE_NOT_FOUND" && ours;
    if (!missing && code !== "ERR_INVALID_MODULE_SPECIFIER") {
      throw new VirtualKubeletError("Invalid", `the provider ${name} cannot be loaded`, { cause });
    }
    const official = Object.hasOwn(packaged, name) ? packaged[name] : undefined;
    if (official !== undefined)
      throw new VirtualKubeletError(
        "NotFound",
        `the provider ${name} is in the package ${official.package}, which is not installed: install it beside this program, or take a container image that was built with --provider ${name}`,
      );
    const names = builtInProviders.map((known) => known.name);
    throw new VirtualKubeletError(
      "NotFound",
      `no such provider: ${name}${hint(name, names)}; built in: ${names.join(", ")}; else the name of an installed npm package, or the path of a module (./provider.js)`,
    );
  }
}

/** The file that importing the package from `base` means; undefined when there is no such package. */
async function packageEntry(name: string, base: string): Promise<string | undefined> {
  const [, packageName = "", subpath = ""] = /^((?:@[^/]+\/)?[^/]+)(\/.+)?$/.exec(name) ?? [];
  let manifest: string | undefined;
  try {
    manifest = findPackageJSON(packageName, pathToFileURL(base));
  } catch {
    return undefined;
  }
  if (manifest === undefined) return undefined;
  const parsed: unknown = JSON.parse(await readFile(manifest, "utf8"));
  const exports = memberOf(parsed, "exports");
  const main = memberOf(parsed, "main");
  const target =
    exports === undefined || exports === null
      ? subpath === ""
        ? typeof main === "string"
          ? main
          : "index.js"
        : `.${subpath}`
      : exportTarget(exports, `.${subpath}`);
  if (target === undefined) {
    throw new VirtualKubeletError(
      "Invalid",
      `the package of the provider ${name} exports no "${`.${subpath}`}" for import`,
    );
  }
  return join(dirname(manifest), target);
}

/** Node's resolution of package exports, without patterns: the conditions of an import, first match in the package's order. */
function exportTarget(exports: unknown, path: string): string | undefined {
  const isMap = typeof exports === "object" && exports !== null && !Array.isArray(exports);
  const bySubpath = isMap && Object.keys(exports).some((key) => key.startsWith("."));
  if (bySubpath) return conditional(memberOf(exports, path));
  return path === "." ? conditional(exports) : undefined;
}

const conditions: ReadonlySet<string> = new Set([
  "node",
  "import",
  "module-sync",
  "default",
  ...process.execArgv.flatMap((argument) => /^(?:--conditions|-C)=(.+)$/.exec(argument)?.[1] ?? []),
]);

function conditional(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (Array.isArray(target)) return target.map(conditional).find((found) => found !== undefined);
  if (typeof target !== "object" || target === null) return undefined;
  return Object.entries(target)
    .filter(([condition]) => conditions.has(condition))
    .map(([, inner]) => conditional(inner))
    .find((found) => found !== undefined);
}

function memberOf(value: unknown, key: string): unknown {
  return (typeof value === "object" && value !== null) || typeof value === "function"
    ? Reflect.get(value, key)
    : undefined;
}

function isDescribeProvider(value: unknown): value is DescribeProvider {
  return typeof value === "function";
}

function isCheckProvider(value: unknown): value is CheckProvider {
  return typeof value === "function";
}

function isCreateProvider(value: unknown): value is CreateProvider {
  return typeof value === "function";
}

const required = ["createPod", "deletePod", "getPodStatus", "getPods"];
/** With what a user gets by each. */
export const optionalMethods: Readonly<Record<ProviderMethod, string>> = {
  watchPods: "changes on the back end are told at once, not polled",
  watchNode: "size and conditions of the node come from the back end",
  ping: "the node is NotReady while the back end is away",
  configureNode: "changes the Node before it is registered",
  updatePod:
    "changed labels, annotations, images, resizes and ephemeral containers (`kubectl debug`) reach running pods",
  updateVolumes: "changed ConfigMaps and Secrets, and renewed tokens, reach running pods",
  stopPod: "what fails beyond its deadline or with its node keeps its logs",
  getContainerLogs: "`kubectl logs`",
  runInContainer: "`kubectl exec`, `kubectl cp`",
  attachToContainer: "`kubectl attach`, `kubectl run -it`",
  portForward: "`kubectl port-forward` by the back end; without it the pod's IP is dialled",
  getStatsSummary: "`kubectl top`, HPA, `/metrics/resource`, `/metrics/cadvisor`",
  getProbeMetrics: "`/metrics/probes`",
};

/** Makes the provider of one node and checks it: throws Invalid that names every method that is missing or is no function. */
export async function makeProvider(
  create: CreateProvider,
  name: string,
  init: ProviderInit,
  context: CallContext,
): Promise<Provider> {
  const provider: unknown = await create(init, context);
  const missing = required.filter((method) => typeof memberOf(provider, method) !== "function");
  const wrong = Object.keys(optionalMethods).filter(
    (method) => !["function", "undefined"].includes(typeof memberOf(provider, method)),
  );
  if (missing.length + wrong.length > 0 || !isProvider(provider)) {
    const faults = [
      ...(missing.length > 0 ? [`lacks the methods ${missing.join(", ")}`] : []),
      ...(wrong.length > 0 ? [`has ${wrong.join(", ")}, which must be functions or absent`] : []),
    ];
    throw new VirtualKubeletError("Invalid", `the provider ${name} ${faults.join(" and ")}`);
  }
  return provider;
}

function isProvider(value: unknown): value is Provider {
  return required.every((method) => typeof memberOf(value, method) === "function");
}
