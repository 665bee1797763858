// An engine for one test: a podman service with storage, network and socket of its own, images without a registry; and that
// nothing of it is left. Needs root on Linux and Debian's podman, runc, netavark and busybox-static.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
    this.#configure(range, options.registries ?? []);
    const { bridge, network, subnet, cgroupParent: cgroup } = this;
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
    service.unref();
    // A fault is told by the wait below; without a listener it would end the test.
    service.once("error", () => undefined);
    this.#service = service;
    await eventually("the engine answers", 30_000, async () => {
      assert.ok(service.exitCode === null, `podman ended: ${this.serviceLog().slice(-1000)}`);
      return this.#answers();
    });
  }

  /** Ends the service with SIGKILL; containers run on. */
  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = undefined;
    if (service === undefined || service.exitCode !== null || service.signalCode !== null) return;
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
    const ended = once(podman, "close");
    await pipeline(tar.stdout, podman.stdin);
    const [code]: unknown[] = await ended;
    assert.equal(code, 0, `import of ${name}: ${stderr}`);
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
    assert.deepEqual([existsSync(this.directory), ...(await this.leftovers())], [false]);
  }

  #containerDirectories(): readonly string[] {
    const path = join(this.directory, "root/overlay-containers");
    return globSync(join(path, "*/")).map((directory) => directory.slice(path.length + 1));
  }

  #stores(): string[] {
    const { directory } = this;
    return ["--root", join(directory, "root"), "--runroot", join(directory, "run"), "--tmpdir", join(directory, "tmp")];
  }

  #configure(range: string, registries: readonly string[]): void {
    chmodSync(this.directory, 0o755);
    const write = (name: string, lines: readonly string[]): void => {
      writeFileSync(join(this.directory, name), `${lines.join("\n")}\n`);
    };
    write("containers.conf", [
      "[containers]",
      // Podman takes soft for hard and hard for soft in its service: they have to be the same.
      'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
      'log_driver = "k8s-file"',
      "[engine]",
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      'runtime = "runc"',
      // How long the watch over a command in a container stays when that has ended; five minutes without this.
      "exit_command_delay = 10",
      // The others are shared by all engines of the machine.
      'lock_type = "file"',
      "[network]",
      'network_backend = "netavark"',
      `network_config_dir = "${join(this.directory, "networks")}"`,
      `default_network = "${this.network}"`,
      `default_subnet = "${this.subnet}"`,
    ]);
    write("registries.conf", [
      "unqualified-search-registries = []",
      'short-name-mode = "enforcing"',
      ...registries.flatMap((location) => ["[[registry]]", `location = "${location}"`, "insecure = true"]),
    ]);
    mkdirSync(join(this.directory, "networks"));
    const network = {
      ...{ name: this.network, id: randomBytes(32).toString("hex"), driver: "bridge", created: "2026-01-01T00:00:00Z" },
      ...{ network_interface: this.bridge, subnets: [{ subnet: this.subnet, gateway: `${range}.1` }] },
      ...{ ipv6_enabled: false, internal: false, dns_enabled: false, ipam_options: { driver: "host-local" } },
    };
    write(`networks/${this.network}.json`, [JSON.stringify(network)]);
  }

  #answers(): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const ping = request({ socketPath: this.socket, path: "/_ping", timeout: 5_000 }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode === 200));
    });
    ping.once("error", (cause) => reject(new VirtualKubeletError("Unavailable", "no engine yet", { cause })));
    ping.end();
    return promise;
  }
}
