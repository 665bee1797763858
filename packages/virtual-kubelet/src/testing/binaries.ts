// Finds the programs of a Kubernetes control plane, or builds them once from pinned Go modules into the user's cache.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { access, constants, mkdir, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { errorText, VirtualKubeletError } from "../errors.ts";

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

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
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
  const cache = env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache");
  const directory = join(cache, "virtual-kubelet", "control-plane", `v${version}`);
  const file = join(directory, name);
  if (await isExecutable(file)) return file;
  await mkdir(directory, { recursive: true });
  await using lock = await Lock.take(join(directory, ".lock"), () => isExecutable(file), options);
  if (lock.needless || (await isExecutable(file))) return file;
  const module = join(options.modules ?? join(import.meta.dirname, "../../control-plane"), version);
  if (!existsSync(join(module, "go.mod"))) throw new VirtualKubeletError("Internal", `${module} has no go.mod`);
  await build(name, version, module, file, env, options);
  return file;
}

async function build(
  name: BinaryName,
  version: string,
  module: string,
  file: string,
  env: NodeJS.ProcessEnv,
  { onProgress, signal }: FindBinariesOptions,
): Promise<void> {
  const goEnv = { ...env, CGO_ENABLED: "0", GOWORK: "off" };
  await checkGo(version, module, goEnv);
  const started = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
  onProgress?.(`building ${name} for Kubernetes ${version} from Go modules; once, it takes some minutes`);
  const ticker = setInterval(() => onProgress?.(`building ${name} for Kubernetes ${version}: ${elapsed()}`), 15_000);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const metadata = {
      gitVersion: `v${version}`,
      gitMajor: "1",
      gitMinor: version.split(".")[1],
      gitTreeState: "clean",
    };
    const variables = Object.entries(metadata).map(
      ([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`,
    );
    const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ["-s -w", ...variables].join(" ")];
    const child = spawn("go", ["build", ...flags, "-o", temporary, goPackages[name]], {
      cwd: module,
      env: goEnv,
      stdio: ["ignore", "ignore", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-4000);
    });
    const [code]: unknown[] = await once(child, "close");
    if (code !== 0) throw new VirtualKubeletError("Internal", `go build of ${name} ${version} failed:\n${said.trim()}`);
    await rename(temporary, file);
    onProgress?.(`built ${name} for Kubernetes ${version} in ${elapsed()}`);
  } finally {
    clearInterval(ticker);
    await rm(temporary, { force: true });
  }
}

/** Go itself says whether it is new enough for the module, or fetches a toolchain that is (GOTOOLCHAIN=auto). */
async function checkGo(version: string, module: string, env: NodeJS.ProcessEnv): Promise<void> {
  const needed = /^go (\S+)$/m.exec(await readFile(join(module, "go.mod"), "utf8"))?.[1] ?? "";
  const advice =
    `Install Go ${needed} or newer (https://go.dev/dl/) and have \`go\` on the PATH, ` +
    `or set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, kube-controller-manager and kube-scheduler ${version}.`;
  try {
    await run("go", ["env", "GOVERSION"], { cwd: module, env });
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const what = missing ? "Go is not installed" : `Go is too old or does not work (${errorText(error)})`;
    throw new VirtualKubeletError("Unavailable", `Cannot build the control plane ${version}: ${what}. ${advice}`);
  }
}

/** A lock file whose owner touches it while it lives; one untouched for 30 s belongs to nobody. */
class Lock implements AsyncDisposable {
  static readonly #staleMs = 30_000;
  readonly #file: string | undefined;
  readonly #touching: NodeJS.Timeout | undefined;

  private constructor(file: string | undefined) {
    this.#file = file;
    if (file === undefined) return;
    this.#touching = setInterval(() => {
      // Gone only if somebody removed the cache: the build then fails by itself.
      utimes(file, new Date(), new Date()).catch(() => undefined);
    }, 5_000);
  }

  /** True when what the lock is for was done while waiting for it: nothing is held then. */
  get needless(): boolean {
    return this.#file === undefined;
  }

  static async take(file: string, isNeedless: () => Promise<boolean>, options: FindBinariesOptions): Promise<Lock> {
    for (let told = false; ; ) {
      options.signal?.throwIfAborted();
      try {
        await (await open(file, "wx")).close();
        return new Lock(file);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      if (await isNeedless()) return new Lock(undefined);
      const touched = await stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(), // released just now
      );
      if (Date.now() - touched > Lock.#staleMs) await rm(file, { force: true });
      else if (!told) {
        told = true;
        options.onProgress?.("waiting for another process that builds the control plane");
      }
      await sleep(500);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined) return;
    clearInterval(this.#touching);
    await rm(this.#file, { force: true });
  }
}
