// Tests that run with the end-to-end tests: fast ones, from every area.

/** The ends of their names. */
export const ciSubset: readonly string[] = ["Pods should be submitted and removed [NodeConformance] [Conformance]"];
