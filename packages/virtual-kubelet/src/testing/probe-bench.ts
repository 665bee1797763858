// A run of a container to be probed or hooked, as tests want it; and servers whose connections are counted.
import { once } from "node:events";
import type { Server } from "node:net";
import type { ProbedRun } from "../engine/probe-results.ts";
import { eventually } from "./fault-server.ts";

/** Container "c" of pod "p", first attempt, at 127.0.0.1; started at time 0 and with the types of all probes it has. */
export function probedRun(change: Partial<ProbedRun> = {}): ProbedRun {
  const container = change.container ?? { name: "c" };
  return {
    owner: { cluster: "cluster", node: "node", namespace: "default", name: "p", uid: "uid" },
    ref: { podUid: "uid", name: container.name, attempt: 0 },
    container,
    podIPs: ["127.0.0.1"],
    exec: async () => ({ exitCode: 0 }),
    startedAt: 0,
    types: [
      ...(container.startupProbe === undefined ? [] : (["startup"] as const)),
      ...(container.livenessProbe === undefined ? [] : (["liveness"] as const)),
      ...(container.readinessProbe === undefined ? [] : (["readiness"] as const)),
    ],
    known: {},
    ...change,
  };
}

export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** Connections ever made. */
  readonly connections: number;
  /** Resolves when no connection is left, without ending any. */
  idle(): Promise<void>;
}

/** On a port of 127.0.0.1 (or `host`) that was free; to be closed by its disposal, with all connections. */
export async function listening(server: Server, host = "127.0.0.1"): Promise<Listening> {
  let connections = 0;
  const open = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    connections += 1;
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    get connections() {
      return connections;
    },
    idle: () => eventually(() => open.size === 0, "all connections are closed"),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
