// Variables of a fake Nomad: texts by path, with check-and-set.
import * as v from "valibot";
import type { FakeState } from "./fake-state.ts";
import { NomadRefusal } from "./refusal.ts";

export interface FakeVariable {
  readonly Namespace: string;
  readonly Path: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  /** Nanoseconds since the epoch. */
  readonly CreateTime: number;
  readonly ModifyTime: number;
  readonly Items: Readonly<Record<string, string>>;
}

/** Thrown where it is not as the caller thought: what is there now is the answer. */
export class VariableConflict extends Error {
  readonly variable: FakeVariable | undefined;

  constructor(variable: FakeVariable | undefined) {
    super("conflict");
    this.variable = variable;
  }
}

const body = v.object({ Items: v.record(v.string(), v.string()) });
const mostBytes = 65_536;

export class FakeVariables {
  readonly #state: FakeState;
  readonly #all = new Map<string, FakeVariable>();

  constructor(state: FakeState) {
    this.#state = state;
  }

  get all(): readonly FakeVariable[] {
    return [...this.#all.values()];
  }

  get(namespace: string, path: string): FakeVariable | undefined {
    return this.#all.get(`${namespace}:${path}`);
  }

  /** `cas`: only when its index is this, 0 for none. */
  put(namespace: string, path: string, value: unknown, cas: number | undefined): FakeVariable {
    const found = v.safeParse(body, value);
    if (!found.success || Object.keys(found.output.Items).length === 0)
      throw new NomadRefusal(400, "variable missing required Items object");
    const { Items } = found.output;
    const size = Object.entries(Items).reduce((sum, [key, text]) => sum + key.length + Buffer.byteLength(text), 0);
    if (size > mostBytes) throw new NomadRefusal(500, "variables are limited to 64KiB in total size");
    if (path.startsWith("nomad/") && !/^nomad\/(jobs(\/|$)|job-templates\/)/.test(path))
      throw new NomadRefusal(
        500,
        'only paths at "nomad/jobs" or "nomad/job-templates" and below are valid paths under the top-level "nomad" directory',
      );
    this.#check(namespace, path, cas);
    const index = this.#state.index + 1;
    const now = Date.now() * 1_000_000;
    const { CreateIndex = index, CreateTime = now } = this.get(namespace, path) ?? {};
    const variable: FakeVariable = {
      ...{ Namespace: namespace, Path: path, CreateIndex, CreateTime, ModifyIndex: index, ModifyTime: now, Items },
    };
    this.#all.set(`${namespace}:${path}`, variable);
    this.#state.change(["variables"]);
    return variable;
  }

  delete(namespace: string, path: string, cas: number | undefined): void {
    this.#check(namespace, path, cas);
    if (this.#all.delete(`${namespace}:${path}`)) this.#state.change(["variables"]);
  }

  /** Without their texts. */
  list(namespace: string, prefix: string): readonly Omit<FakeVariable, "Items">[] {
    return this.all
      .filter(({ Namespace, Path }) => (namespace === "*" || Namespace === namespace) && Path.startsWith(prefix))
      .map(({ Items: _, ...rest }) => rest)
      .sort((one, other) => (one.Path < other.Path ? -1 : 1));
  }

  #check(namespace: string, path: string, cas: number | undefined): void {
    const there = this.get(namespace, path);
    if (cas !== undefined && (there?.ModifyIndex ?? 0) !== cas) throw new VariableConflict(there);
  }
}
