// What one look into a container has found, and what users are told of it. Pure.
import type { ProbeType } from "./probe-results.ts";

export type ProbeOutcome =
  | { readonly type: "success" }
  /** Counts as success. */
  | { readonly type: "warning"; readonly output: string }
  | { readonly type: "failure"; readonly output: string }
  /** The look itself failed: says nothing of the container. */
  | { readonly type: "error"; readonly state: "unknown" | "failure"; readonly message: string };

export interface ProbeEvent {
  readonly type: "Warning";
  readonly reason: "Unhealthy" | "ProbeWarning";
  readonly message: string;
}

/** As in events and metrics. */
export const probeTypeText: Readonly<Record<ProbeType, "Startup" | "Liveness" | "Readiness">> = {
  startup: "Startup",
  liveness: "Liveness",
  readiness: "Readiness",
};

export function probeEvent(type: ProbeType, outcome: ProbeOutcome): ProbeEvent | undefined {
  const name = probeTypeText[type];
  switch (outcome.type) {
    case "success":
      return undefined;
    case "warning":
      return { type: "Warning", reason: "ProbeWarning", message: `${name} probe warning: ${outcome.output}` };
    case "failure":
      return { type: "Warning", reason: "Unhealthy", message: `${name} probe failed: ${outcome.output}` };
    case "error": {
      const message = `${name} probe errored and resulted in ${outcome.state} state: ${outcome.message}`;
      return { type: "Warning", reason: "Unhealthy", message };
    }
  }
}
