// One run of a container as its directory tells of it: what it was to be, whose process it is, how it ended. The directory is
// the only memory: whoever reads it, whenever, comes to the same answer.
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerSpec, RuntimeContainer, RuntimeUser } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { isAlive, type ProcessIdentity } from "../../host/process-table.ts";
import { readIfThere, writeWhole } from "../../host/state-files.ts";

export interface RunDescription {
  readonly spec: ContainerSpec;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly cgroups: readonly string[];
  readonly marker?: string | undefined;
  /** In a pid namespace of its own. */
  readonly ownPids: boolean;
  /** In a mount namespace of its own. */
  readonly namespaces: boolean;
  readonly root?: string | undefined;
  /** As whom it runs, where that is not as whom we do. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly groups?: readonly number[] } | undefined;
  /** Path of the file on the host. */
  readonly terminationMessageFile?: string | undefined;
}

/** Of a run, from its files. */
export interface RunFacts {
  readonly claim?: (ProcessIdentity & { readonly boot: string }) | undefined;
  /** The container's first process. */
  readonly main?: ProcessIdentity | undefined;
  readonly startedAt?: number | undefined;
  /** Its main process has ended with this code; what it left may still be there. */
  readonly code?: number | undefined;
  readonly finishedAt?: number | undefined;
  /** All is over, and all output is in its files. */
  readonly over: boolean;
  /** Why it could not be started. */
  readonly error?: string | undefined;
}

export function readFacts(directory: string): RunFacts {
  const claim = /^(\d+) (\d+) (\S+)\n/.exec(readIfThere(join(directory, "claim")) ?? "");
  const main = /^(\d+) (\d+)\n/.exec(readIfThere(join(directory, "pid")) ?? "");
  const code = /^(\d+)\n/.exec(readIfThere(join(directory, "code")) ?? "");
  return {
    ...(claim !== null && { claim: { pid: Number(claim[1]), start: claim[2] ?? "", boot: claim[3] ?? "" } }),
    ...(main !== null && {
      main: { pid: Number(main[1]), start: main[2] ?? "" },
      startedAt: modified(join(directory, "pid")),
    }),
    ...(code !== null && { code: Number(code[1]), finishedAt: modified(join(directory, "code")) }),
    over: /^\d+\n/.test(readIfThere(join(directory, "exit")) ?? ""),
    error: readIfThere(join(directory, "error"))?.trim(),
  };
}

function modified(path: string): number | undefined {
  try {
    return Math.floor(statSync(path).mtimeMs);
  } catch {
    return undefined;
  }
}

export type RunState =
  | { readonly type: "created" }
  /** Its supervisor works, but its first process is not there yet. */
  | { readonly type: "starting" }
  | { readonly type: "running"; readonly main: ProcessIdentity }
  /** The main process is gone; the supervisor is about to write down how. */
  | { readonly type: "ending" }
  | { readonly type: "exited"; readonly exitCode: number }
  /** It ran, and nobody saw how it ended. */
  | { readonly type: "lost" };

/** Pure but for `alive`. */
export function runState(
  facts: RunFacts,
  boot: string,
  alive: (process: ProcessIdentity) => boolean = isAlive,
): RunState {
  const { claim, main, code } = facts;
  if (code !== undefined && facts.over) return { type: "exited", exitCode: code };
  if (claim === undefined) return { type: "created" };
  if (claim.boot !== boot) return code === undefined ? { type: "lost" } : { type: "exited", exitCode: code };
  const supervised = alive(claim);
  if (code !== undefined) return supervised ? { type: "ending" } : { type: "exited", exitCode: code };
  if (main !== undefined && alive(main)) return { type: "running", main };
  if (!supervised) return { type: "lost" };
  return main === undefined ? { type: "starting" } : { type: "ending" };
}

export class RunRecord {
  readonly directory: string;
  readonly description: RunDescription;
  /** Does not change any more. */
  #final: RuntimeContainer | undefined;
  readonly #boot: string;

  constructor(directory: string, description: RunDescription, boot: string) {
    this.directory = directory;
    this.description = description;
    this.#boot = boot;
  }

  get spec(): ContainerSpec {
    return this.description.spec;
  }

  facts(): RunFacts {
    return readFacts(this.directory);
  }

  state(): RunState {
    if (this.#final !== undefined)
      return this.#final.state === "exited"
        ? { type: "exited", exitCode: this.#final.exitCode ?? 0 }
        : { type: "lost" };
    const state = runState(this.facts(), this.#boot);
    // Its supervisor may have written down the end between two of the looks.
    return state.type === "lost" ? runState(this.facts(), this.#boot) : state;
  }

  get isOver(): boolean {
    if (this.#final !== undefined) return true;
    const { type } = this.state();
    return type === "exited" || type === "lost";
  }

  container(): RuntimeContainer {
    if (this.#final !== undefined) return this.#final;
    const state = this.state();
    const facts = this.facts();
    const { podUid, name, attempt, image, notes } = this.spec;
    const shown: RuntimeContainer = {
      ...{ podUid, name, attempt, image, notes },
      id: `${podUid}/${name}/${attempt}`,
      imageID: "",
      createdAt: this.description.createdAt,
      ...(this.description.user !== undefined && { user: userOf(this.description.user) }),
      startedAt: facts.startedAt,
      state: "running",
    };
    switch (state.type) {
      case "created":
      case "starting":
        return { ...shown, state: "created" };
      case "running":
      case "ending":
        return shown;
      case "lost":
        return this.#end({ ...shown, state: "unknown", reason: "ContainerStatusUnknown", message: lostMessage });
      case "exited":
        return this.#end({
          ...shown,
          state: "exited",
          exitCode: state.exitCode,
          finishedAt: facts.finishedAt,
          ...(facts.error !== undefined && { reason: "StartError", message: facts.error }),
          ...(facts.error === undefined &&
            readIfThere(join(this.directory, "oom")) !== undefined && { reason: "OOMKilled" }),
        });
    }
  }

  #end(container: RuntimeContainer): RuntimeContainer {
    this.#final = container;
    return container;
  }

  /** Notes down that it was the memory limit that ended it. */
  outOfMemory(): void {
    writeFileSync(join(this.directory, "oom"), "1\n", { mode: 0o600 });
    this.#final = undefined;
  }
}

const lostMessage =
  "The container could not be located when the pod was terminated: its process is gone, and nobody saw how it ended";

export async function writeDescription(directory: string, description: RunDescription): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await writeWhole(join(directory, "run.json"), JSON.stringify(description));
}

/** undefined: nothing was made yet. Throws Internal for what is no description. */
export function readDescription(directory: string): RunDescription | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, "run.json"), "utf8");
  } catch {
    return undefined;
  }
  const parsed: unknown = JSON.parse(text);
  if (isDescription(parsed)) return parsed;
  throw new VirtualKubeletError("Internal", `${directory}/run.json is no description of a run`);
}

/** Written by us alone, whole or not at all: its form is that of the version that wrote it. */
function isDescription(value: unknown): value is RunDescription {
  return typeof value === "object" && value !== null && "spec" in value && "createdAt" in value && "cgroups" in value;
}

function userOf({ uid, gid, groups = [] }: NonNullable<RunDescription["user"]>): RuntimeUser {
  return { uid, gid, supplementalGroups: groups };
}
