// A registry on loopback (Debian's docker-registry) in place of the hosts that the tests' images are named for, so that
// pulls are real and nothing leaves the machine.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { runTool } from "../../packages/virtual-kubelet/src/host/run-tool.ts";
import type { ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";

export interface ImageRegistry {
  /** `127.0.0.1:<port>` */
  readonly address: string;
}

/**
 * Runs until the group is closed; keeps its data in the group's directory. `users`: passwords of those who may use it (needs htpasswd); absent:
 * everybody may. `tls`: files with a certificate and its key; absent: plain HTTP.
 */
export async function startImageRegistry(
  group: ProcessGroup,
  users?: Readonly<Record<string, string>>,
  tls?: { readonly certificate: string; readonly key: string },
): Promise<ImageRegistry> {
  const file = join(group.directory, "registry.yaml");
  const config = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(group.directory, "registry") } },
    http: { addr: "127.0.0.1:0", ...(tls !== undefined && { tls }) },
    ...(users !== undefined && { auth: { htpasswd: { realm: "test", path: await passwordFile(group, users) } } }),
  };
  await writeFile(file, JSON.stringify(config)); // JSON is YAML
  const server = await group.start("docker-registry", "docker-registry", ["serve", file]);
  for (const deadline = Date.now() + 120_000; Date.now() < deadline && server.running; await sleep(50)) {
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(await server.logTail())?.[1];
    if (address !== undefined) return { address };
  }
  throw new VirtualKubeletError("Unavailable", `docker-registry does not listen:\n${await server.logTail()}`);
}

async function passwordFile(group: ProcessGroup, users: Readonly<Record<string, string>>): Promise<string> {
  const lines = await Promise.all(
    Object.entries(users).map(([name, password]) => runTool("htpasswd", ["-Bbn", name, password])),
  );
  const file = join(group.directory, "htpasswd");
  await writeFile(file, lines.join("\n"), { mode: 0o600 });
  return file;
}

/** registries.conf: each of the hosts is this registry, below a path of its name; so is what the tests run themselves on localhost. */
export function registriesConf(hosts: readonly string[], registry: ImageRegistry): string {
  const mirrored = hosts.map(
    (host) => `[[registry]]\nprefix = "${host}"\nlocation = "${registry.address}/${host}"\ninsecure = true\n`,
  );
  const local = `[[registry]]\nlocation = "localhost:5000"\ninsecure = true\n`;
  return ["unqualified-search-registries = []\n", ...mirrored, local].join("\n");
}
