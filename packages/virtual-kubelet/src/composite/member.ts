// One back end of a composite: its provider, whether new pods go there now, and what it last said of its pods.
import type { Clock } from "../clock.ts";
import { Breaker } from "../cloud/breaker.ts";
import type { CircuitRules } from "../cloud/circuit.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { BilledSize } from "../provider/billing.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodOwner, PodReport } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import type { MemberConfig } from "./config.ts";
import type { PricedMember } from "./member-costs.ts";

export class Member implements PricedMember {
  readonly config: MemberConfig;
  readonly provider: Provider;
  node: NodeReport | undefined;
  readonly #breakers: Readonly<Record<"create" | "ping", Breaker>>;
  #reports: Map<string, PodReport> | undefined;

  constructor(
    config: MemberConfig,
    provider: Provider,
    options: { readonly clock: Clock; readonly rules: CircuitRules; readonly changed: () => void },
  ) {
    this.config = config;
    this.provider = provider;
    this.#breakers = { create: new Breaker(options), ping: new Breaker(options) };
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
    const { create, ping } = this.#breakers;
    return create.barred ?? ping.barred;
  }

  /** It has said what it has. */
  get isListed(): boolean {
    return this.#reports !== undefined;
  }

  /** A call by whose outcome it is judged. That it can be reached does not say that it takes pods: each is judged apart. */
  async judged<T>(work: () => Promise<T>, by: "create" | "ping" = "create"): Promise<T> {
    return this.#breakers[by].judged(work, isItsFault);
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
}

/** What is wrong with the pod, or was ended here, says nothing of the back end. */
function isItsFault(error: unknown): boolean {
  const { kind } = VirtualKubeletError.from(error);
  return kind !== "Invalid" && kind !== "Unsupported" && kind !== "Aborted" && kind !== "NotFound";
}
