// Finds the programs of a Kubernetes control plane, or builds them once from pinned Go modules into the user's cache.
import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { VirtualKubeletError } from "../errors.ts";
import { cachedOrBuilt as builtProgram, cacheDirectory, type GoProgram, isExecutable } from "./go-build.ts";

const run = promisify(execFile);

/** The versions whose modules are pinned here, oldest first. */
export const kubernetesVersions: readonly string[] = ["1.34.4", "1.35.4", "1.36.3", "1.37.2"];
/** Used where nothing else is asked for. */
export const defaultKubernetesVersion = "1.36.3";

const goPackages = {
  etcd: "go.etcd.io/etcd/server/v3",
  "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
  "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
  kubectl: "k8s.io/kubernetes/cmd/kubectl",
} as const;

export type BinaryName = keyof typeof goPackages;
/** Absolute path of each program. */
export type Binaries = Readonly<Record<Exclude<BinaryName, "kubectl">, string>>;

export interface FindBinariesOptions {
  /** One of `kubernetesVersions`, or a minor (`1.36`). Default: $VIRTUAL_KUBELET_KUBERNETES_VERSION, then `defaultKubernetesVersion`. */
  readonly version?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Told what is being built, and every 15 s that it still is. */
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where the pinned modules are; default: beside this package's sources. */
  readonly modules?: string | undefined;
}

/** The wanted version in full. Throws Invalid for one that is not pinned here. */
export function resolveKubernetesVersion(wanted?: string, env: NodeJS.ProcessEnv = process.env): string {
  const asked = (wanted ?? (env["VIRTUAL_KUBELET_KUBERNETES_VERSION"] || defaultKubernetesVersion)).replace(/^v/, "");
  const found = kubernetesVersions.find((version) => version === asked || version.startsWith(`${asked}.`));
  if (found !== undefined && /^\d+\.\d+/.test(asked)) return found;
  throw new VirtualKubeletError("Invalid", `no Kubernetes ${asked} here; there are ${kubernetesVersions.join(", ")}`);
}

/**
 * Looks for each program in $KUBEBUILDER_ASSETS, then in $PATH (both only where it is of the wanted minor), then in
 * ($XDG_CACHE_HOME or ~/.cache)/virtual-kubelet/control-plane/v<version>; what is in none of them is built into the last,
 * which needs Go and, the first time, the Go module proxy. A build takes minutes; processes that want the same one wait.
 */
export async function findControlPlaneBinaries(options: FindBinariesOptions = {}): Promise<Binaries> {
  const env = options.env ?? process.env;
  const version = resolveKubernetesVersion(options.version, env);
  const find = async (name: BinaryName): Promise<string> =>
    (await installed(name, version, env)) ?? (await cachedOrBuilt(name, version, env, options));
  return {
    etcd: await find("etcd"),
    "kube-apiserver": await find("kube-apiserver"),
    "kube-controller-manager": await find("kube-controller-manager"),
    "kube-scheduler": await find("kube-scheduler"),
  };
}

/** Any kubectl of $KUBEBUILDER_ASSETS or $PATH, whatever its version; else one built like the rest, of the wanted version. */
export async function findKubectl(options: FindBinariesOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const found = await findOnPath("kubectl", env);
  return found ?? cachedOrBuilt("kubectl", resolveKubernetesVersion(options.version, env), env, options);
}

/** One of the wanted version and no other, built like the rest. */
export async function findKubectlOfVersion(options: FindBinariesOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  return cachedOrBuilt("kubectl", resolveKubernetesVersion(options.version, env), env, options);
}

/** The path of an executable file of this name in $KUBEBUILDER_ASSETS or $PATH. */
export async function findOnPath(name: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for await (const file of candidates(name, env)) return file;
  return undefined;
}

async function* candidates(name: string, env: NodeJS.ProcessEnv): AsyncGenerator<string> {
  const directories = [env["KUBEBUILDER_ASSETS"] ?? "", ...(env["PATH"] ?? "").split(delimiter)];
  for (const directory of directories) {
    const file = join(directory, name);
    if (directory !== "" && (await isExecutable(file))) yield file;
  }
}

async function installed(name: BinaryName, version: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for await (const file of candidates(name, env)) {
    // A program that cannot say its version is not the one wanted.
    const printed = await run(file, ["--version"]).then(
      ({ stdout }) => stdout,
      () => "",
    );
    const [, major, minor] = /(?:v|Version: )(\d+)\.(\d+)/.exec(printed) ?? [];
    if (name === "etcd" ? Number(major) === 3 && Number(minor) >= 5 : version.startsWith(`${major}.${minor}.`))
      return file;
  }
  return undefined;
}

async function cachedOrBuilt(
  name: BinaryName,
  version: string,
  env: NodeJS.ProcessEnv,
  options: FindBinariesOptions,
): Promise<string> {
  const metadata = {
    gitVersion: `v${version}`,
    gitMajor: "1",
    gitMinor: version.split(".")[1] ?? "",
    gitTreeState: "clean",
  };
  const variables = Object.entries(metadata).map(([key, value]) => [`k8s.io/component-base/version.${key}`, value]);
  const program: GoProgram = {
    title: `${name} for Kubernetes ${version}`,
    package: goPackages[name],
    module: join(options.modules ?? join(import.meta.dirname, "../../control-plane"), version),
    file: join(cacheDirectory(env), "control-plane", `v${version}`, name),
    variables: Object.fromEntries(variables),
    otherwise: `set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, kube-controller-manager and kube-scheduler ${version}.`,
  };
  return builtProgram(program, { env, onProgress: options.onProgress, signal: options.signal });
}
