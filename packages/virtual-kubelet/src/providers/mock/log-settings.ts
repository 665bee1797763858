// What annotations say of a simulated container's log and of its own process. Pure.
import { parseQuantity } from "../../kube/quantity.ts";
import type { Container, EphemeralContainer } from "../../kube/types.gen.ts";

/** `log` writes its log; `cat` writes what it reads; `shell` is an `sh`. */
export type MainKind = "log" | "cat" | "shell";
export type LogFormat = "plain" | "timestamped" | "cri";

export interface LogSettings {
  /** Milliseconds from line to line, at least 1. */
  readonly interval: number;
  /** So many of these lines at most in a run. */
  readonly lines: number;
  /** Of each of these lines; undefined: made up. */
  readonly text: string | undefined;
  /** So many bytes at once when a run begins. */
  readonly bytes: number;
  readonly format: LogFormat;
  /** Undefined: by the spec. */
  readonly main: MainKind | undefined;
}

/** At most 64Gi: more would only fill a disk. */
export function parseBytes(text: string): number {
  const bytes = Number(parseQuantity(text)) / 1e9;
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > 64 * 1024 ** 3) {
    throw new Error(`${JSON.stringify(text)} is not a number of bytes from 0 to 64Gi`);
  }
  return bytes;
}

export function parseFormat(text: string): LogFormat {
  if (text === "plain" || text === "timestamped" || text === "cri") return text;
  throw new Error(`${JSON.stringify(text)} is none of plain, timestamped and cri`);
}

export function parseMain(text: string): MainKind {
  if (text === "log" || text === "cat" || text === "shell") return text;
  throw new Error(`${JSON.stringify(text)} is none of log, cat and shell`);
}

/** What the container's own process is: a shell or cat where the spec asks for one that is typed to. */
export function mainOf(settings: LogSettings, spec: Container | EphemeralContainer | undefined): MainKind {
  if (settings.main !== undefined) return settings.main;
  if (spec?.stdin !== true) return "log";
  const words = [...(spec.command ?? []), ...(spec.args ?? [])];
  const [name] = words.map((word) => word.slice(word.lastIndexOf("/") + 1));
  if (words.length === 1 && name === "cat") return "cat";
  if (words.length === 1 && (name === "sh" || name === "bash" || name === "ash")) return "shell";
  return words.length === 0 && spec.tty === true ? "shell" : "log";
}
