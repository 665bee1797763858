// One back end of a composite: its provider, whether new pods go there now, and what it last said of its pods.
import type { Clock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { BilledSize } from "../provider/billing.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodOwner, PodReport } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import {
  type Circuit,
  type CircuitRules,
  closedCircuit,
  failed,
  passage,
  succeeded,
  trying,
  undecided,
} from "./circuit.ts";
import type { MemberConfig } from "./config.ts";
import type { PricedMember } from "./member-costs.ts";

export class Member implements PricedMember {
  readonly config: MemberConfig;
  readonly provider: Provider;
  node: NodeReport | undefined;
  readonly #clock: Clock;
  readonly #rules: CircuitRules;
  readonly #changed: () => void;
  readonly #circuits: Record<"create" | "ping", Circuit> = { create: closedCircuit, ping: closedCircuit };
  #reports: Map<string, PodReport> | undefined;

  constructor(
    config: MemberConfig,
    provider: Provider,
    options: { readonly clock: Clock; readonly rules: CircuitRules; readonly changed: () => void },
  ) {
    this.config = config;
    this.provider = provider;
    this.#clock = options.clock;
    this.#rules = options.rules;
    this.#changed = options.changed;
  }

  get name(): string {
    return this.config.name;
  }

  get capabilities(): Capabilities {
    return this.provider.capabilities ?? {};
  }

  billedSize(pod: Pod): BilledSize | undefined {
    return this.provider.billedSize?.(pod);
  }

  /** Why nothing new goes there now. */
  get barred(): string | undefined {
    const { create, ping } = this.#circuits;
    return [create, ping].find((circuit) => passage(circuit, this.#clock.now()) === "barred")?.message;
  }

  /** It has said what it has. */
  get isListed(): boolean {
    return this.#reports !== undefined;
  }

  /** A call by whose outcome it is judged. That it can be reached does not say that it takes pods: each is judged apart. */
  async judged<T>(work: () => Promise<T>, by: "create" | "ping" = "create"): Promise<T> {
    if (passage(this.#circuits[by], this.#clock.now()) === "try") this.#circuits[by] = trying(this.#circuits[by]);
    try {
      const answer = await work();
      this.#set(by, succeeded(this.#circuits[by]));
      return answer;
    } catch (thrown) {
      const { kind } = VirtualKubeletError.from(thrown);
      // What is wrong with the pod, or was ended here, says nothing of the back end.
      const isItsFault = kind !== "Invalid" && kind !== "Unsupported" && kind !== "Aborted" && kind !== "NotFound";
      const circuit = this.#circuits[by];
      this.#set(
        by,
        isItsFault ? failed(circuit, this.#clock.now(), errorText(thrown), this.#rules) : undecided(circuit),
      );
      throw thrown;
    }
  }

  /** All its pods; those of the last listing, with what was pushed since, while it cannot be asked. Throws before the first. */
  async pods(context: CallContext): Promise<readonly PodReport[]> {
    try {
      const reports = await this.provider.getPods(context);
      this.listed(reports);
    } catch (error) {
      if (context.signal.aborted || this.#reports === undefined) throw error;
      context.log.warn(
        { member: this.name, err: errorText(error) },
        "a member cannot be listed: its pods are as last seen",
      );
    }
    return [...(this.#reports?.values() ?? [])];
  }

  /** All that it has. */
  listed(reports: readonly PodReport[]): void {
    this.#reports = new Map(reports.map((report) => [report.owner.uid, report]));
  }

  /** Of the pods that it is known to have. */
  owners(): readonly PodOwner[] {
    return [...(this.#reports?.values() ?? [])].map(({ owner }) => owner);
  }

  /** It accepted a pod of which it says nothing yet. */
  took(report: PodReport): void {
    const reports = this.#reports;
    if (reports !== undefined && !reports.has(report.owner.uid)) reports.set(report.owner.uid, report);
  }

  saw(report: PodReport): void {
    this.#reports?.set(report.owner.uid, report);
  }

  lost(uid: string): void {
    this.#reports?.delete(uid);
  }

  #set(by: "create" | "ping", circuit: Circuit): void {
    const was = this.#circuits[by].openUntil;
    this.#circuits[by] = circuit;
    if (was !== circuit.openUntil) this.#changed();
  }
}
