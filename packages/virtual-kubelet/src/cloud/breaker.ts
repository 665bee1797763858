// Calls of a back end by whose outcome it is judged: after some failures in a row it is barred for a while, then one call decides.
import type { Clock } from "../clock.ts";
import { errorText } from "../errors.ts";
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

export interface BreakerOptions {
  readonly clock: Clock;
  readonly rules: CircuitRules;
  /** It is barred now, or no more. */
  readonly changed: () => void;
}

export class Breaker {
  readonly #options: BreakerOptions;
  #circuit: Circuit = closedCircuit;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Why nothing new goes there now. */
  get barred(): string | undefined {
    return passage(this.#circuit, this.#options.clock.now()) === "barred" ? this.#circuit.message : undefined;
  }

  /** The last call that counted failed, and the next one decides. */
  get isOnTrial(): boolean {
    return passage(this.#circuit, this.#options.clock.now()) === "try";
  }

  /** When the next call may decide; epoch milliseconds. */
  get openUntil(): number | undefined {
    return this.#circuit.openUntil;
  }

  /**
   * Judges by this call, barred or not: who calls has looked. `isItsFault`: whether a failure says something of the back end, and
   * not of what was asked of it.
   */
  async judged<T>(work: () => Promise<T>, isItsFault: (error: unknown) => boolean): Promise<T> {
    const { clock, rules } = this.#options;
    if (this.isOnTrial) this.#circuit = trying(this.#circuit);
    try {
      const answer = await work();
      this.#set(succeeded(this.#circuit));
      return answer;
    } catch (error) {
      const circuit = this.#circuit;
      this.#set(isItsFault(error) ? failed(circuit, clock.now(), errorText(error), rules) : undecided(circuit));
      throw error;
    }
  }

  #set(circuit: Circuit): void {
    const { clock, changed } = this.#options;
    const was = this.#circuit.openUntil;
    this.#circuit = circuit;
    if (was === circuit.openUntil) return;
    changed();
    if (circuit.openUntil !== undefined) clock.schedule(circuit.openUntil - clock.now(), changed);
  }
}
