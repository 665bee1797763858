// An engine for one test: a podman service with storage, network and socket of its own, images without a registry; and that
// nothing of it is left. Needs root on Linux and Debian's podman, runc, netavark and busybox-static.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, closeSync, existsSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import { mountsUnder } from "../packages/virtual-kubelet/src/host/mounts.ts";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import { benchRange } from "../packages/virtual-kubelet/src/testing/process-bench.ts";
import { RootDirectory } from "./conformance/root-directory.ts";
import { eventually } from "./harness.ts";
import { PodmanCleanup, type PodmanTraces, podmanPrefix, reapStaleBenches } from "./podman-cleanup.ts";
import { configurePodman } from "./podman-config.ts";

/** Imported at the start: busybox with its applets in /bin, users root and nobody, PATH. */
export const benchImage = "localhost/busybox:1";

export interface PodmanBenchOptions {
  /** Registries without TLS, "127.0.0.1:5000". */
  readonly registries?: readonly string[] | undefined;
  /** Names under which the image is there at the start. Default: `benchImage`. */
  readonly images?: readonly string[] | undefined;
}

export class PodmanBench implements AsyncDisposable {
  readonly directory: string;
  /** Of the service. */
  readonly socket: string;
  /** The socket as an address: "unix:///...". */
  readonly endpoint: string;
  /** Pods of this bench get addresses in it, "198.18.7.0/24". */
  readonly subnet: string;
  readonly bridge: string;
  readonly network: string;
  /** For providers that have a parent of control groups of pods: what is left below it is removed. */
  readonly cgroupParent: string;
  readonly #cleanup: PodmanCleanup;
  #service: ChildProcess | undefined;
  #root: RootDirectory | undefined;

  private constructor(options: PodmanBenchOptions) {
    assert.equal(process.getuid?.(), 0, "an engine of its own needs root");
    this.directory = mkdtempSync(join(tmpdir(), podmanPrefix));
    const range = benchRange();
    const name = randomBytes(4).toString("hex");
    this.socket = join(this.directory, "podman.sock");
    this.endpoint = `unix://${this.socket}`;
    this.subnet = `${range}.0/24`;
    this.bridge = `vkp${name}`;
    this.network = `vkp-${name}`;
    this.cgroupParent = `vk-podman-${name}`;
    const { directory, bridge, network, subnet, cgroupParent: cgroup } = this;
    chmodSync(directory, 0o755);
    configurePodman(directory, { bridge, network, subnet, gateway: `${range}.1` }, options.registries ?? []);
    const claim = join(tmpdir(), `virtual-kubelet-bench-range-${range}`);
    const traces: PodmanTraces = { bridge, network, subnet, cgroup, claim };
    this.#cleanup = new PodmanCleanup(this.directory, traces);
  }

  static async start(options: PodmanBenchOptions = {}): Promise<PodmanBench> {
    await reapStaleBenches();
    const bench = new PodmanBench(options);
    try {
      await bench.resume();
      for (const image of options.images ?? [benchImage]) await bench.importImage(image);
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
    return bench;
  }

  /** Starts the service, which is not there. Containers that outlived it are found again. */
  async resume(): Promise<void> {
    assert.ok(this.#service === undefined, "the service runs");
    rmSync(this.socket, { force: true });
    const log = openSync(join(this.directory, "service.log"), "a");
    const args = [...this.#stores(), "system", "service", "--time=0", this.endpoint];
    const service = spawn("podman", args, {
      ...{ stdio: ["ignore", log, log], detached: true, cwd: "/", env: this.environment },
    });
    closeSync(log);
    service.unref();
    // A fault is told by the wait below; without a listener it would end the test.
    service.once("error", () => undefined);
    this.#service = service;
    await eventually("the engine answers", 30_000, async () => !isAlive(service) || (await this.#answers()));
    assert.ok(isAlive(service), `podman ended: ${this.serviceLog().slice(-1000)}`);
  }

  /** Ends the service with SIGKILL; containers run on. */
  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = undefined;
    if (service === undefined || !isAlive(service)) return;
    const ended = once(service, "exit");
    service.ref();
    service.kill("SIGKILL");
    await ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.resume();
  }

  /**
   * What a host that loses its power leaves of the engine: no process, no mount, nothing of what is kept in memory only. Its service
   * is not there then: resume() starts it.
   */
  async crash(): Promise<void> {
    await this.stop();
    await this.#cleanup.leaveDiskOnly();
  }

  /** podman on the stores of this bench, past the service; answers its standard output. */
  async podman(...args: string[]): Promise<string> {
    const child = spawn("podman", [...this.#stores(), ...args], {
      ...{ stdio: ["ignore", "pipe", "pipe"], cwd: "/", env: this.environment },
    });
    const read = async (stream: AsyncIterable<unknown>): Promise<string> => {
      let text = "";
      for await (const chunk of stream) text += String(chunk);
      return text;
    };
    const ended = once(child, "close");
    const [stdout, stderr, [code]] = await Promise.all([read(child.stdout), read(child.stderr), ended]);
    assert.equal(code, 0, `podman ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** The bench's image, or what is in another directory, under this name. `changes` are lines of a Dockerfile: "USER 1000". */
  async importImage(name: string, changes: readonly string[] = [], root?: string): Promise<void> {
    this.#root ??= await RootDirectory.withShell(join(this.directory, "image"));
    const tar = spawn("tar", ["-C", root ?? this.#root.path, "--owner=0", "--group=0", "-c", "."], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const told = ["ENV PATH=/bin", ...changes].flatMap((change) => ["--change", change]);
    const podman = spawn("podman", [...this.#stores(), "import", "--quiet", ...told, "-", name], {
      ...{ stdio: ["pipe", "ignore", "pipe"], env: this.environment },
    });
    let stderr = "";
    podman.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // Where podman ends early, what it said tells more than that nobody reads any more.
    const piped = pipeline(tar.stdout, podman.stdin).then(
      () => undefined,
      (error: unknown) => error,
    );
    const [fault, [code]] = await Promise.all([piped, once(podman, "close"), once(tar, "close")]);
    assert.equal(code, 0, `import of ${name}: ${stderr}`);
    assert.equal(fault, undefined, `import of ${name}`);
  }

  get cleanupPid(): number | undefined {
    return this.#cleanup.pid;
  }

  /** For programs that are to use these stores. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      CONTAINERS_CONF: join(this.directory, "containers.conf"),
      CONTAINERS_REGISTRIES_CONF: join(this.directory, "registries.conf"),
    };
  }

  serviceLog(): string {
    return readFileSync(join(this.directory, "service.log"), "utf8");
  }

  /** IDs of all containers, whatever their state. */
  async containers(): Promise<readonly string[]> {
    return (await this.podman("ps", "--all", "--quiet", "--no-trunc")).split("\n").filter((id) => id !== "");
  }

  /** What is on the machine because of this bench, its directory and images apart: containers, mounts, links, rules, groups, processes. */
  async leftovers(): Promise<readonly string[]> {
    const rules = await runTool("iptables-save", []);
    return [
      ...this.#containerDirectories().map((id) => `container ${id}`),
      ...mountsUnder(this.directory).filter((point) => point !== join(this.directory, "root/overlay")),
      ...(existsSync(`/sys/class/net/${this.bridge}`) ? [this.bridge] : []),
      ...rules
        .split("\n")
        .filter((rule) => rule.includes(` ${this.subnet} `) || rule.includes(`name: ${this.network} `)),
      ...globSync([`/sys/fs/cgroup/${this.cgroupParent}/**/`, `/sys/fs/cgroup/*/${this.cgroupParent}/**/`]),
      ...this.processes().map(({ pid, command }) => `process ${pid}: ${command}`),
    ];
  }

  /** Of containers, and those that watch over them: by command line, by control group. The service is not among them. */
  processes(): readonly { readonly pid: number; readonly command: string }[] {
    const ids = this.#containerDirectories();
    const spared = [process.pid, this.#cleanup.pid, this.#service?.pid];
    return globSync("/proc/[0-9]*").flatMap((path) => {
      const pid = Number(path.slice("/proc/".length));
      const read = (file: string): string => {
        try {
          return readFileSync(join(path, file), "latin1");
        } catch {
          return "";
        }
      };
      if (spared.includes(pid)) return [];
      const command = read("cmdline").replaceAll("\0", " ");
      const groups = read("cgroup");
      const ours =
        command.includes(`${this.directory}/`) ||
        groups.includes(`/${this.cgroupParent}/`) ||
        ids.some((id) => groups.includes(id));
      return ours && !/^\d+ \(.*\) [ZX]/s.test(read("stat")) ? [{ pid, command: command.slice(0, 200) }] : [];
    });
  }

  /** All that the engine has, and the engine, are removed; nothing may be left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#cleanup.close();
    // A process that was killed is there until the kernel has taken it apart.
    let left: readonly string[] = [];
    await eventually("nothing of the engine is left", 5000, async () => {
      left = [...(existsSync(this.directory) ? [this.directory] : []), ...(await this.leftovers())];
      return left.length === 0;
    }).catch((error: unknown) => assert.fail([String(error), ...left].join("\n")));
  }

  #containerDirectories(): readonly string[] {
    const path = join(this.directory, "root/overlay-containers");
    return globSync(join(path, "*/")).map((directory) => directory.slice(path.length + 1));
  }

  #stores(): string[] {
    const { directory } = this;
    return ["--root", join(directory, "root"), "--runroot", join(directory, "run"), "--tmpdir", join(directory, "tmp")];
  }

  #answers(): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const failed = (cause: Error): void => reject(new VirtualKubeletError("Unavailable", "no engine yet", { cause }));
    const signal = AbortSignal.timeout(10_000);
    const ping = request({ socketPath: this.socket, path: "/_ping", agent: false, signal }, (response) => {
      response.resume().once("error", failed);
      response.once("end", () => resolve(response.statusCode === 200));
    });
    ping.once("error", failed);
    ping.end();
    return promise;
  }
}

/** False, too, of what could not be started. */
function isAlive({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}
