// Who calls, what a call may ask for beside its document, and what it is told in headers.
import type { Json, JsonObject } from "./json.ts";

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string | undefined;
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** As reviews and audit have it. */
export interface UserInfo extends Omit<User, "name"> {
  readonly username: string;
}

export function userInfo({ name, ...others }: User): UserInfo {
  return { username: name, ...others };
}

/** What the rules of a kind may know beside the object. */
export interface StrategyContext {
  readonly user: User;
  /** All objects of a resource, by its key. */
  readonly list: (resourceKey: string) => readonly JsonObject[];
}

export interface WriteOptions {
  readonly user: User;
  readonly dryRun: boolean;
  /** What becomes of unknown fields. */
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
  readonly fieldManager: string;
  /** Becomes a Warning header. */
  readonly warn: (text: string) => void;
}

/** What the cluster does by itself. */
export const internalWrite: WriteOptions = {
  user: { name: "system:apiserver", groups: ["system:masters"] },
  dryRun: false,
  fieldValidation: "Ignore",
  fieldManager: "dev-cluster",
  warn: () => undefined,
};

/** What a call answers. */
export interface Answer {
  readonly code: number;
  readonly body: Json;
}

/** RFC 3339 in whole seconds, as metav1.Time. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
