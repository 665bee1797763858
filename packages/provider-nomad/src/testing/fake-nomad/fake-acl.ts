// Who may ask what of a fake Nomad: capabilities by the secret of a token. Without tokens everybody may everything.
import { NomadRefusal } from "./refusal.ts";

export type Capability =
  | "list-jobs"
  | "read-job"
  | "submit-job"
  | "alloc-lifecycle"
  | "alloc-exec"
  | "alloc-node-exec"
  | "read-logs"
  | "read-fs"
  | "variables-list"
  | "variables-read"
  | "variables-write"
  | "variables-destroy"
  | "node:read"
  | "agent:read"
  | "operator:read";

export type Rights = "management" | ReadonlySet<Capability>;

export class FakeAcl {
  /** Tests change it. Undefined: no access control. */
  tokens: Map<string, Rights> | undefined;

  constructor(tokens: ReadonlyMap<string, Rights> | undefined) {
    this.tokens = tokens === undefined ? undefined : new Map(tokens);
  }

  /** Throws what the token is refused with; undefined: everybody may. */
  check(secret: string, capability: Capability | undefined): void {
    const { tokens } = this;
    if (tokens === undefined || capability === undefined) return;
    if (secret === "") throw new NomadRefusal(403, "Permission denied");
    const rights = tokens.get(secret);
    if (rights === undefined) throw new NomadRefusal(403, "ACL token not found");
    if (rights !== "management" && !rights.has(capability)) throw new NomadRefusal(403, "Permission denied");
  }
}
