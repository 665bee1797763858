// What the engine of a test is told in files: no limits that podman takes the wrong way round, logs that we read, locks and a network
// of its own.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface PodmanNetwork {
  readonly network: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly gateway: string;
}

/** Writes containers.conf, registries.conf and the network into the directory. `registries`: without TLS, "127.0.0.1:5000". */
export function configurePodman(directory: string, own: PodmanNetwork, registries: readonly string[]): void {
  const networks = join(directory, "networks");
  const write = (name: string, lines: readonly string[]): void =>
    writeFileSync(join(directory, name), `${lines.join("\n")}\n`);
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
    `network_config_dir = "${networks}"`,
    `default_network = "${own.network}"`,
    `default_subnet = "${own.subnet}"`,
  ]);
  write("registries.conf", [
    "unqualified-search-registries = []",
    'short-name-mode = "enforcing"',
    ...registries.flatMap((location) => ["[[registry]]", `location = "${location}"`, "insecure = true"]),
  ]);
  mkdirSync(networks);
  const network = {
    ...{ name: own.network, id: randomBytes(32).toString("hex"), driver: "bridge", created: "2026-01-01T00:00:00Z" },
    ...{ network_interface: own.bridge, subnets: [{ subnet: own.subnet, gateway: own.gateway }] },
    ...{ ipv6_enabled: false, internal: false, dns_enabled: false, ipam_options: { driver: "host-local" } },
  };
  write(`networks/${own.network}.json`, [JSON.stringify(network)]);
}
