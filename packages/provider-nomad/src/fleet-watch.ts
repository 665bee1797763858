// The fleet, live: blocking queries for its clients, each answer a node.
import { type CallContext, type Clock, isErrorKind, type NodeReport, pause } from "@virtual-kubelet/virtual-kubelet";
import type { NomadConfig } from "./config.ts";
import { fleetOf, mhzPerCore, nodeReport } from "./fleet.ts";
import type { NomadClient } from "./nomad-client.ts";
import { type Fleet, unknownFleet } from "./resources.ts";

const waitMs = 60_000;
/** Clients send heartbeats that change nothing: no more than one answer in this time is taken. */
const leastMs = 1000;

export class FleetWatch {
  readonly #client: Pick<NomadClient, "listNodes" | "memoryOversubscription">;
  readonly #config: NomadConfig;
  readonly #clock: Clock;
  #fleet: Fleet;
  #known = false;

  constructor(client: Pick<NomadClient, "listNodes" | "memoryOversubscription">, config: NomadConfig, clock: Clock) {
    this.#client = client;
    this.#config = config;
    this.#clock = clock;
    this.#fleet = { ...unknownFleet, ...(config.mhzPerCore > 0 && { mhzPerCore: config.mhzPerCore }) };
  }

  /** As last seen. */
  get fleet(): Fleet {
    return this.#fleet;
  }

  /** Asks once, when nothing is known yet. */
  async ready(context: CallContext): Promise<Fleet> {
    if (!this.#known) await this.#look(undefined, context);
    return this.#fleet;
  }

  /** Yields the node at once, then at each change. Throws when Nomad is away. */
  async *watch(context: CallContext): AsyncGenerator<NodeReport> {
    let index = 0;
    let last = "";
    while (!context.signal.aborted) {
      const seen = await this.#look(index === 0 ? undefined : index, context);
      const text = JSON.stringify(seen.report);
      if (text !== last) yield seen.report;
      last = text;
      // An index that went back is of another state: begin anew.
      index = seen.index < index ? 0 : seen.index;
      await pause(this.#clock, leastMs, context.signal);
    }
  }

  async #look(
    after: number | undefined,
    context: CallContext,
  ): Promise<{ readonly report: NodeReport; readonly index: number }> {
    const blocking = after === undefined ? undefined : { index: after, waitMs };
    const { value, index } = await this.#client.listNodes({ blocking }, context);
    const fleet = fleetOf(value, this.#config);
    const clock = this.#config.mhzPerCore > 0 ? this.#config.mhzPerCore : mhzPerCore(fleet);
    const oversubscription = await this.#oversubscription(context);
    this.#fleet = { mhzPerCore: clock ?? this.#fleet.mhzPerCore, oversubscription };
    this.#known = true;
    return { report: nodeReport(fleet, this.#config, this.#fleet), index };
  }

  /** Who may not ask holds all of a limit for a task. */
  async #oversubscription(context: CallContext): Promise<boolean> {
    try {
      return (await this.#client.memoryOversubscription(context)) ?? false;
    } catch (error) {
      if (isErrorKind(error, "Aborted")) throw error;
      return this.#fleet.oversubscription;
    }
  }
}
