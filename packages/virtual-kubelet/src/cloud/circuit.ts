// A circuit breaker: after some failures in a row nothing new is tried for a while, then one try decides. Pure.

export interface CircuitRules {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long it stays open the first time, milliseconds; twice as long each further time, up to `mostOpenMs`. */
  readonly openMs: number;
  readonly mostOpenMs: number;
}

export const defaultCircuitRules: CircuitRules = { failures: 3, openMs: 30_000, mostOpenMs: 600_000 };

export interface Circuit {
  readonly failures: number;
  /** Epoch milliseconds; undefined while it is closed. */
  readonly openUntil: number | undefined;
  /** Times that it opened in a row. */
  readonly openings: number;
  /** A try is under way that decides. */
  readonly isTrying: boolean;
  /** Of the last failure. */
  readonly message: string;
}

export const closedCircuit: Circuit = { failures: 0, openUntil: undefined, openings: 0, isTrying: false, message: "" };

/** "try": one may, and the others wait for its outcome. */
export function passage({ openUntil, isTrying }: Circuit, now: number): "free" | "try" | "barred" {
  if (openUntil === undefined) return "free";
  return now >= openUntil && !isTrying ? "try" : "barred";
}

export function trying(circuit: Circuit): Circuit {
  return { ...circuit, isTrying: true };
}

/** The try ended without a word about the other side: it was aborted, or refused for the pod's own sake. */
export function undecided(circuit: Circuit): Circuit {
  return circuit.isTrying ? { ...circuit, isTrying: false } : circuit;
}

export function succeeded(circuit: Circuit): Circuit {
  return circuit.failures === 0 && circuit.openUntil === undefined ? circuit : closedCircuit;
}

export function failed(circuit: Circuit, now: number, message: string, rules: CircuitRules): Circuit {
  const failures = circuit.failures + 1;
  // What was under way when it opened tells nothing new.
  if (circuit.openUntil !== undefined && !circuit.isTrying) return { ...circuit, failures, message };
  if (failures < rules.failures && circuit.openUntil === undefined) return { ...circuit, failures, message };
  const openMs = Math.min(rules.openMs * 2 ** Math.min(circuit.openings, 20), rules.mostOpenMs);
  return { failures, openUntil: now + openMs, openings: circuit.openings + 1, isTrying: false, message };
}
