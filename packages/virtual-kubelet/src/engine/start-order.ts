// Which containers of a pod are to run now, by the kubelet's order: the init sequencer. Pure; for the engine, and for backends
// that start containers themselves.

/** One container of the spec, in its order: init containers and sidecars, then the main ones; ephemeral ones anywhere. */
export interface OrderedContainer {
  readonly name: string;
  readonly role: "init" | "sidecar" | "main" | "ephemeral";
  /** An init container that has ended with 0. */
  readonly succeeded: boolean;
  /** It runs, its postStart hook is done and its startup probe has succeeded. */
  readonly started: boolean;
}

/**
 * Names of those to be started, or to be kept running; the others have to wait, or are done. `initialized`: a main container
 * has been started before, so that init containers do not run again and sidecars hold up nobody.
 */
export function containersToRun(containers: readonly OrderedContainer[], initialized: boolean): ReadonlySet<string> {
  const names = new Set(containers.filter(({ role }) => role === "ephemeral").map(({ name }) => name));
  for (const { name, role, succeeded, started } of containers) {
    if (role === "init") {
      if (initialized || succeeded) continue;
      return names.add(name);
    }
    if (role === "sidecar") {
      names.add(name);
      if (!initialized && !started) return names;
    }
  }
  for (const { name, role } of containers) if (role === "main") names.add(name);
  return names;
}
