// What tests of the chart share: Helm as users run it, with nothing of this machine's user, and the CRDs that the chart uses.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory } from "../packages/virtual-kubelet/src/testing/go-build.ts";
import { eventually, type Harness } from "./harness.ts";
import { findPeer } from "./peers.ts";

const run = promisify(execFile);

export const chart: string = join(import.meta.dirname, "../deploy/chart");

export interface HelmEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Helm implements AsyncDisposable {
  readonly #program: string;
  readonly #home: string;
  #files = 0;

  private constructor(program: string, home: string) {
    this.#program = program;
    this.#home = home;
  }

  static async find(): Promise<Helm> {
    return new Helm(await findPeer("helm"), await mkdtemp(join(tmpdir(), "virtual-kubelet-helm-")));
  }

  /** Never throws for an exit code. */
  async run(...args: readonly string[]): Promise<HelmEnd> {
    const { HELM_NAMESPACE: _namespace, KUBECONFIG: _kubeconfig, ...env } = process.env;
    const homes = { HELM_CACHE_HOME: this.#home, HELM_CONFIG_HOME: this.#home, HELM_DATA_HOME: this.#home };
    return new Promise((settle, reject) => {
      execFile(this.#program, args, { env: { ...env, ...homes }, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
        if (error === null) settle({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") settle({ code: error.code, stdout, stderr });
        else reject(error);
      });
    });
  }

  /** Its standard output; throws with what it said when it fails. */
  async done(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}\n${stdout}`);
    return stdout;
  }

  /** Path of a file of values. */
  async values(values: object | string): Promise<string> {
    const file = join(this.#home, `values-${++this.#files}.yaml`);
    await writeFile(file, typeof values === "string" ? values : JSON.stringify(values));
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#home, { recursive: true });
  }
}

/** YAML of the CRDs ServiceMonitor and PrometheusRule, out of the module of the Prometheus operator that is pinned in `peers/`. */
async function monitoringCrds(): Promise<string> {
  const module = "github.com/prometheus-operator/prometheus-operator";
  const pinned = join(import.meta.dirname, "peers/prometheus-operator");
  const version = /v[\d.]+$/m.exec(await readFile(join(pinned, "go.mod"), "utf8"))?.[0] ?? "";
  const kept = join(cacheDirectory(process.env), "peers", `prometheus-operator-${version}.yaml`);
  try {
    return await readFile(kept, "utf8");
  } catch {
    // Not there yet.
  }
  const { stdout } = await run("go", ["mod", "download", "-json", module], {
    cwd: pinned,
    env: { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off" },
  });
  const { Dir }: { readonly Dir: string } = JSON.parse(stdout);
  const files = ["servicemonitors", "prometheusrules"].map((kind) =>
    readFile(join(Dir, `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`), "utf8"),
  );
  await mkdir(join(kept, ".."), { recursive: true });
  const temporary = `${kept}.${process.pid}`;
  await writeFile(temporary, (await Promise.all(files)).join("\n---\n"));
  await rename(temporary, kept);
  return readFile(kept, "utf8");
}

/** The cluster knows them when this resolves. */
export async function installMonitoringCrds(harness: Harness): Promise<void> {
  // Too large for what a client-side apply notes down.
  await harness.kubectl("create", "-f", await harness.writeFile("crds.yaml", await monitoringCrds()));
  await eventually("monitors and rules are served", 15_000, () =>
    harness.kubectl("get", "servicemonitors,prometheusrules", "-A"),
  );
}
