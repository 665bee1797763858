// Security settings that a cloud does not hold: refused, or told of, as its provider is configured. Pure.
import type { Container } from "../kube/types.gen.ts";
import type { CreateNote } from "./cloud-backend.ts";
import { ignored, unsupported } from "./pod-faults.ts";

type Context = NonNullable<Container["securityContext"]>;

/** A cloud's own profiles are what RuntimeDefault means. Throws Unsupported for one that would be a file of the node. `path`: of the context. */
export function checkProfiles(context: Pick<Context, "seccompProfile" | "appArmorProfile">, path: string): void {
  for (const name of ["seccompProfile", "appArmorProfile"] as const)
    if (context[name]?.type === "Localhost")
      throw unsupported(`${path}.${name}`, "there is no node that would have the profile");
}

/** By field and why. "refuse": throws Unsupported for the first; "warn": all are told, and the pod runs. */
export function unenforcedNotes(
  unenforced: readonly (readonly [field: string, why: string])[],
  way: "refuse" | "warn",
): readonly CreateNote[] {
  const [first] = unenforced;
  if (first !== undefined && way === "refuse")
    throw unsupported(
      first[0],
      `${first[1]} (unenforcedSecurity: warn in the provider's configuration runs it all the same)`,
    );
  return unenforced.map(([field, message]) => ({ ...ignored(field, message), eventType: "Warning" }));
}
