// Which nodes share an address, and which of them a connection has reached. Pure.
import type { Socket } from "node:net";
import { VirtualKubeletError } from "../errors.ts";
import type { BoundAddress, NodeListener } from "./kubelet-server-options.ts";
import type { NodesServed } from "./node-choice.ts";
import type { ServedNode } from "./served-node.ts";

export interface ListenerGroup extends NodesServed {
  /** "" for all addresses. */
  readonly host: string;
  readonly port: number;
}

/** Throws Invalid for the same name twice, and for the same address twice unless it may be shared. */
export function groupListeners(listeners: readonly NodeListener[], shared: boolean): readonly ListenerGroup[] {
  const groups = new Map<
    string,
    { host: string; port: number; nodes: ServedNode[]; byName: Map<string, ServedNode> }
  >();
  for (const { node, host = "", port, names = [] } of listeners) {
    // Free ports are different ones, unless they are to be shared.
    const key = port === 0 && !shared ? `node ${node.name}` : `${host} ${port}`;
    const group = groups.get(key) ?? { host, port, nodes: [], byName: new Map<string, ServedNode>() };
    if (group.nodes.length > 0 && !shared)
      throw new VirtualKubeletError("Invalid", `nodes ${group.nodes[0]?.name} and ${node.name} listen on one address`);
    groups.set(key, group);
    group.nodes.push(node);
    for (const name of new Set([node.name, ...names].map((text) => text.toLowerCase()))) {
      if (group.byName.has(name)) throw new VirtualKubeletError("Invalid", `two nodes have the name ${name}`);
      group.byName.set(name, node);
    }
  }
  return [...groups.values()];
}

/** The groups by the address at which they are bound. */
export class ServedAddresses {
  readonly #groups = new Map<string, NodesServed>();

  add({ address, port }: BoundAddress, group: NodesServed): void {
    const every = address === "::" || address === "0.0.0.0";
    this.#groups.set(every ? `* ${port}` : `${plain(address)} ${port}`, group);
  }

  /** Undefined when the connection is gone. */
  at({ localAddress = "", localPort = 0 }: Pick<Socket, "localAddress" | "localPort">): NodesServed | undefined {
    return this.#groups.get(`${plain(localAddress)} ${localPort}`) ?? this.#groups.get(`* ${localPort}`);
  }
}

/** IPv4 as such where the system has it mapped into IPv6. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");
