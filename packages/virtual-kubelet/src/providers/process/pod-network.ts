// The network of pods that have one of their own: a bridge of this host, and for each pod a network namespace that is joined to
// it. A namespace is held by a file in the pod's directory, so it needs no process and goes with that directory.
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { errorText, VirtualKubeletError } from "../../errors.ts";
import { mountsUnder, unmountUnder } from "../../host/mounts.ts";
import { runTool } from "../../host/run-tool.ts";
import { AddressPool, type AddressRange, addressText, overlaps, parseAddress } from "./pod-addresses.ts";
import { shellWord } from "./shell-quote.ts";

const interfaces = "/sys/class/net";

/** Of the node whose state is in this directory; as the kernel wants it, below 16 characters. */
export function bridgeName(directory: string): string {
  return `vkbr-${hash(directory, 8)}`;
}

/** The host's end of a pod's link. */
export function linkName(bridge: string, uid: string): string {
  return `vk${bridge.slice(-4)}${hash(uid, 8)}`;
}

function hash(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

export class PodNetwork {
  readonly addresses: AddressPool;
  readonly #bridge: string;

  private constructor(bridge: string, range: AddressRange) {
    this.#bridge = bridge;
    this.addresses = new AddressPool(range);
  }

  /** Throws Invalid, with what is missing, where this host has no networks for pods. */
  static async open(bridge: string, range: AddressRange): Promise<PodNetwork> {
    const network = new PodNetwork(bridge, range);
    const refuse = (why: string, cause?: unknown): never => {
      throw new VirtualKubeletError("Invalid", `network "private" is not to be had here: ${why}`, { cause });
    };
    const known = await hostAddresses().catch((cause: unknown) => refuse("there is no ip command (iproute2)", cause));
    const other = overlapping(
      range,
      known.filter(({ name }) => name !== bridge),
    );
    if (other !== undefined)
      refuse(`podCIDR ${addressText(range.first)}/${range.prefix} overlaps with ${other} of this host`);
    await runTool("unshare", ["--net", "true"])
      .then(() => network.#makeBridge())
      .catch((cause: unknown) => refuse(`it needs the rights to make networks: ${errorText(cause)}`, cause));
    return network;
  }

  /** Makes a pod's network, in place of what a call that was broken off has left. */
  async attach(uid: string, file: string, address: string): Promise<void> {
    if (!existsSync(`${interfaces}/${this.#bridge}`)) await this.#makeBridge();
    await detach(this.#bridge, uid);
    await unmountUnder(file);
    await writeFile(file, "", { mode: 0o600 });
    await runTool("unshare", [`--net=${file}`, "true"]);
    const link = linkName(this.#bridge, uid);
    const { prefix } = this.addresses.range;
    // The address of its hardware goes by that of the network: who had it before is remembered by nobody.
    const peer = ["name", "eth0", "address", hardware(address), "netns", file];
    await runTool("ip", ["link", "add", link, "master", this.#bridge, "type", "veth", "peer", ...peer]);
    await runTool("ip", ["link", "set", link, "up"]);
    const lines = [
      "ip link set lo up",
      `ip address add ${address}/${prefix} dev eth0`,
      "ip link set eth0 up",
      `ip route add default via ${this.addresses.gateway}`,
    ];
    await runTool("nsenter", [`--net=${file}`, "sh", "-ec", lines.join("\n")]);
  }

  /** Is a pod's network there, as it was made? */
  isAttached(uid: string, file: string): boolean {
    return mountsUnder(file).length > 0 && portsOf(this.#bridge).includes(linkName(this.#bridge, uid));
  }

  async #makeBridge(): Promise<void> {
    const bridge = this.#bridge;
    const address = `${this.addresses.gateway}/${this.addresses.range.prefix}`;
    const own = (await hostAddresses()).filter(({ name }) => name === bridge);
    const name = shellWord(bridge);
    const lines = [
      ...(existsSync(`${interfaces}/${bridge}`)
        ? []
        : [`ip link add ${name} address ${hardware(this.addresses.gateway)} type bridge`]),
      // Or a pod could tell the host where to send its packets.
      `[ ! -e /proc/sys/net/ipv6/conf/${name} ] || echo 1 >/proc/sys/net/ipv6/conf/${name}/disable_ipv6`,
      // Another range was configured before.
      ...(own.some(({ cidr }) => cidr !== address) ? [`ip -4 address flush dev ${name}`] : []),
      `ip address replace ${address} dev ${name}`,
      `ip link set ${name} up`,
    ];
    await runTool("sh", ["-ec", lines.join("\n")]);
  }
}

/** Ends a pod's link to the bridge. No error when there is none. */
export async function detach(bridge: string, uid: string): Promise<void> {
  await deleteLink(linkName(bridge, uid));
}

/** Ends all links to the bridge but those of these pods. */
export async function sweepNetwork(bridge: string, uids: readonly string[]): Promise<void> {
  const kept = uids.map((uid) => linkName(bridge, uid));
  for (const link of portsOf(bridge)) if (!kept.includes(link)) await deleteLink(link);
}

/** No error when there is none. */
export async function removeBridge(bridge: string): Promise<void> {
  await deleteLink(bridge);
}

async function deleteLink(name: string): Promise<void> {
  const path = `${interfaces}/${name}`;
  if (!existsSync(path)) return;
  try {
    await runTool("ip", ["link", "delete", name]);
  } catch (error) {
    // It may have gone by itself, with its namespace.
    if (existsSync(path)) throw error;
  }
}

function portsOf(bridge: string): readonly string[] {
  try {
    return readdirSync(`${interfaces}/${bridge}/brif`);
  } catch {
    return [];
  }
}

interface HostAddress {
  /** Of the interface. */
  readonly name: string;
  /** "192.0.2.1/24" */
  readonly cidr: string;
}

/** IPv4 addresses of this host, of interfaces that nothing is joined to as well. */
async function hostAddresses(): Promise<readonly HostAddress[]> {
  const text = await runTool("ip", ["-oneline", "-4", "address", "show"]);
  return [...text.matchAll(/^\d+: (\S+) +inet ([\d.]+\/\d+)/gm)].map(([, name = "", cidr = ""]) => ({ name, cidr }));
}

/** A network of this host that has addresses of the range. */
function overlapping(range: AddressRange, known: readonly HostAddress[]): string | undefined {
  for (const { name, cidr } of known) {
    const [address = "", bits] = cidr.split("/");
    const number = parseAddress(address) ?? 0;
    const size = 2 ** (32 - Number(bits));
    const first = number - (number % size);
    if (overlaps(range, { first, last: first + size - 1 })) return `${cidr} (${name})`;
  }
  return undefined;
}

function hardware(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "76", ...bytes].join(":");
}
