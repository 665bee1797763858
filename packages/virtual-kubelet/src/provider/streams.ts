// What calls of the kubelet API ask of a backend: logs, commands and their streams. Types and docs only.
import type { Readable, Writable } from "node:stream";
import type { Stored } from "../kube/resource.ts";
import type { Pod, Time } from "../kube/types.gen.ts";
import type { PodOwner } from "./pods.ts";

/** The pod that a call of the kubelet API is about. */
export interface PodTarget {
  readonly owner: PodOwner;
  /** The API object as last seen. Shared with the cache: never change it. */
  readonly pod: Stored<Pod>;
}

/** One container of it, of any kind: init, main or ephemeral. */
export interface ContainerTarget extends PodTarget {
  readonly container: string;
}

/** Which part of a container's log is wanted (v1.PodLogOptions). A backend may leave any of it to the core: see `ContainerLogs`. */
export interface ContainerLogOptions {
  /** Go on until the container ends; default false. */
  readonly follow?: boolean | undefined;
  /** The run before the present one; default false. Never left to the core: NotFound when there is none or none is kept. */
  readonly previous?: boolean | undefined;
  /**
   * The run that is meant, by what was reported of it; absent: none was. Where the backend knows its runs by it, it comes
   * before `previous`, which tells how things were in the latest report: the container may have restarted since. NotFound
   * when that run's log is not kept.
   */
  readonly containerID?: string | undefined;
  /** Only lines of this time or later, RFC 3339 with up to nine digits of a second. `sinceSeconds` comes as this, too. */
  readonly sinceTime?: Time | undefined;
  /** So many lines from the end, 0 for none; absent: all. Counted before `sinceTime` is looked at. */
  readonly tailLines?: number | undefined;
  /** Only what the container wrote there; absent: both. */
  readonly stream?: "Stdout" | "Stderr" | undefined;
  /** Each line's time is wanted as well: answer in a format that has it, where the backend knows it. */
  readonly timestamps?: boolean | undefined;
}

/** A container's log as the backend has it. */
export interface ContainerLogs {
  /**
   * - `plain`: what the container wrote; times and streams are unknown. Where times are wanted, a line gets that of its
   *   reading; `sinceTime` leaves out nothing; all counts as Stdout.
   * - `timestamped`: before each line its time (RFC 3339, up to nine digits of a second) and a space.
   * - `cri`: each line as a CRI runtime keeps it: time, `stdout` or `stderr`, `F` or `P` (the line goes on in the next), text.
   */
  readonly format: "plain" | "timestamped" | "cri";
  /** Bytes, cut anywhere, not to be changed later. Not read on while the client is slow; returned early when it goes away. */
  readonly data: AsyncIterable<Uint8Array>;
  /** What of the options has been applied already; the core does the rest. Default: nothing. */
  readonly applied?: readonly ("follow" | "sinceTime" | "tailLines" | "stream")[] | undefined;
}

/** In character cells. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** The ends of a command's streams. Absent ones were not asked for. */
export interface ContainerIO {
  /** Ends when the client closes its side. */
  readonly stdin?: Readable | undefined;
  /** The core ends it after the call. A write that answers false wants `drain` to be awaited. */
  readonly stdout?: Writable | undefined;
  /** Never there with a terminal: its output is all on stdout. */
  readonly stderr?: Writable | undefined;
  /** Run it in a terminal. */
  readonly tty: boolean;
  /** Sizes of the terminal from the first on; only with `tty`. */
  readonly resize?: AsyncIterable<TerminalSize> | undefined;
}

/** How a command ended. */
export interface ExecResult {
  /** 0 to 255. */
  readonly exitCode: number;
}
