// The container engine of a conformance run: a Podman service with a root, settings and networks of its own, and the images in it.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { errorText, VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { ManagedProcess, ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";
import type { ImageRegistry } from "./image-registry.ts";
import { type BuiltImage, partsOf } from "./images.ts";

const run = promisify(execFile);

/** What a host has to do without CAP_SYS_RESOURCE, for whom Podman's own limits are too high. */
const containersConf = (networks: string): string => `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
exit_command_delay = 10
[network]
network_backend = "netavark"
network_config_dir = "${networks}"
`;

export class Engine {
  readonly socket: string;
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(directory: string) {
    this.#directory = directory;
    this.socket = join(directory, "podman.sock");
    this.#env = {
      ...process.env,
      CONTAINERS_CONF: join(directory, "containers.conf"),
      CONTAINERS_REGISTRIES_CONF: join(directory, "registries.conf"),
    };
  }

  /** `registriesConf`: text of the file. */
  static async start(group: ProcessGroup, registriesConf: string): Promise<Engine> {
    const engine = new Engine(join(group.directory, "engine"));
    const networks = join(engine.#directory, "networks");
    await mkdir(networks, { recursive: true });
    await writeFile(join(engine.#directory, "containers.conf"), containersConf(networks));
    await writeFile(join(engine.#directory, "registries.conf"), registriesConf);
    await engine.#serve(group);
    return engine;
  }

  /** Runs the command to its end; answers its standard output. */
  async podman(...args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await run("podman", [...this.#stores(), ...args], { env: this.#env, maxBuffer: 2 ** 24 });
      return stdout;
    } catch (cause) {
      throw new VirtualKubeletError("Internal", `podman ${args.join(" ")}: ${errorText(cause)}`, { cause });
    }
  }

  /** Makes the images, and puts them into the registry under the same names. */
  async load(images: ReadonlyMap<string, BuiltImage>, registry: ImageRegistry): Promise<void> {
    const first = new Map<string, string>();
    for (const [name, { tar, changes }] of images) {
      const same = first.get(tar);
      const options = changes.flatMap((change) => ["--change", change]);
      await (same === undefined
        ? this.podman("import", "--quiet", ...options, tar, name)
        : this.podman("tag", same, name));
      first.set(tar, name);
      const { repository, tag } = partsOf(name);
      await this.podman("push", "--quiet", "--tls-verify=false", name, `${registry.address}/${repository}:${tag}`);
    }
  }

  #stores(): readonly string[] {
    // Podman wants a short path for what does not outlive the machine; the usual one is this machine's own.
    return ["--root", join(this.#directory, "root"), "--runroot", "/run/containers/storage"];
  }

  async #serve(group: ProcessGroup): Promise<void> {
    const settings = ["CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF"].map((name) => `${name}=${this.#env[name]}`);
    const service = ["system", "service", "--time=0", `unix://${this.socket}`];
    const child = await group.start("podman", "env", [...settings, "podman", ...this.#stores(), ...service]);
    await this.#answers(child);
  }

  async #answers(child: ManagedProcess): Promise<void> {
    for (const deadline = Date.now() + 150_000; Date.now() < deadline && child.running; await sleep(50)) {
      if ((await this.#ping()) === 200) return;
    }
    throw new VirtualKubeletError("Unavailable", `podman does not answer:\n${await child.logTail()}`);
  }

  #ping(): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const asked = request({ socketPath: this.socket, path: "/_ping", timeout: 5000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked
      .once("timeout", () => asked.destroy())
      .once("error", () => resolve(undefined))
      .end();
    return promise;
  }
}
