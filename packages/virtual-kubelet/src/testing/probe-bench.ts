// Runs of containers to be probed or hooked, as tests want them; probes in a time that tests move; and servers whose
// connections are counted.
import { once } from "node:events";
import type { Server } from "node:net";
import { ContainerProbes, type ContainerProbesOptions } from "../engine/probe-manager.ts";
import type { ProbeOutcome } from "../engine/probe-outcome.ts";
import type { ProbedRun } from "../engine/probe-results.ts";
import type { Probe } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { FakeClock } from "./fake-clock.ts";
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

export const ok: ProbeOutcome = { type: "success" };
export const bad: ProbeOutcome = { type: "failure", output: "bad" };

/** Probes in fake time from 0 on; each probe is known by its exec command. */
export class ProbesBench {
  readonly clock: FakeClock = new FakeClock(0);
  /** "second what", as it happened. */
  readonly log: string[] = [];
  /** What a probe finds; default success. */
  finds: (command: string, signal: AbortSignal) => ProbeOutcome | Promise<ProbeOutcome> = () => ok;
  readonly probes: ContainerProbes;

  constructor(options: Partial<ContainerProbesOptions> = {}) {
    this.probes = new ContainerProbes({
      listener: {
        changed: () => this.#note(`changed ${this.results}`),
        event: ({ ref }, type, reason, message) => this.#note(`${ref.name} ${type} ${reason} ${message}`),
      },
      log: silentLogger,
      kubernetesVersion: "v1.36.3",
      clock: this.clock,
      action: async ({ exec }, _target, { signal }) => {
        const command = exec?.command?.join(" ") ?? "";
        this.#note(command);
        return await this.finds(command, signal);
      },
      ...options,
    });
  }

  /** Of the first run of container c: startup, liveness, readiness by their first letters; "none" when it is not probed. */
  get results(): string {
    const found = this.probes.results({ podUid: "uid", name: "c", attempt: 0 });
    if (found === undefined) return "none";
    return [found.startup, found.liveness, found.readiness].map((result) => result.charAt(0)).join("");
  }

  run(...runs: readonly ProbedRun[]): void {
    this.probes.sync("uid", runs);
  }

  /** What has happened in so many seconds. */
  async pass(seconds: number): Promise<readonly string[]> {
    await this.clock.advance(seconds * 1000);
    return this.log.splice(0);
  }

  #note(what: string): void {
    this.log.push(`${this.clock.now() / 1000} ${what}`);
  }
}

export const probe = (name: string, numbers: Partial<Probe> = {}): Probe => ({ exec: { command: [name] }, ...numbers });

export function runOf(
  probes: { readonly startup?: Probe; readonly liveness?: Probe; readonly readiness?: Probe },
  change: Partial<ProbedRun> = {},
): ProbedRun {
  const container = {
    name: "c",
    ...(probes.startup && { startupProbe: probes.startup }),
    ...(probes.liveness && { livenessProbe: probes.liveness }),
    ...(probes.readiness && { readinessProbe: probes.readiness }),
  };
  return probedRun({ container, ...change });
}
