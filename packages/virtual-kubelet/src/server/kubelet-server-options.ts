// What a kubelet server is made from, and its limits with their defaults.
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Authenticator, Authorizer } from "./access.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import type { KubeletHandler } from "./kubelet-call.ts";
import type { ServedNode } from "./served-node.ts";
import type { Wires } from "./wires.ts";

/** A node and where its kubelet API listens. */
export interface NodeListener {
  readonly node: ServedNode;
  /** IP address; "" or absent for all of the machine's. */
  readonly host?: string | undefined;
  /** 0 for a free one. */
  readonly port: number;
  /** Names beside the node's own that mean it in Host or SNI, where a port is shared. */
  readonly names?: readonly string[] | undefined;
}

/** Where a node's API is bound, once it is. */
export interface BoundAddress {
  /** As the system has it: "::" or "0.0.0.0" for all. */
  readonly address: string;
  /** For the node's `daemonEndpoints`. */
  readonly port: number;
}

/** Milliseconds, bytes and counts; each has a default. */
export interface KubeletServerLimits {
  /** For a TLS handshake, and for the head and the body of a request to come in; default 30 s. */
  readonly headerTimeoutMs: number;
  /** A connection without a request is closed; default 90 s. */
  readonly idleTimeoutMs: number;
  /** For the answer of a request that is no stream; default 60 s. */
  readonly requestTimeoutMs: number;
  /** A stream (logs, exec, attach, port-forward) on which nothing moves is ended; 0: never; default 4 h. */
  readonly streamIdleTimeoutMs: number;
  /** For the streams of a command to be opened; default 30 s. */
  readonly streamCreationTimeoutMs: number;
  /** Of a request, path included; default 32 KiB. */
  readonly headerBytes: number;
  /** Of a request's body, which nothing here needs; default 64 KiB. */
  readonly bodyBytes: number;
  /** At the same time, over all nodes; one more is reset at once; default 10000. */
  readonly connections: number;
  /** Forwarded connections of one port-forward at the same time; one more is told so; default 1000. */
  readonly forwardedConnections: number;
  /** Streams go on for so long after the signal; then they are ended, told so; default 10 s. */
  readonly shutdownGraceMs: number;
  /** For how long a stream goes on whose pod or container has ended: its provider should end it with a better word; default 5 s. */
  readonly podEndGraceMs: number;
}

export const defaultKubeletServerLimits: KubeletServerLimits = {
  headerTimeoutMs: 30_000,
  idleTimeoutMs: 90_000,
  requestTimeoutMs: 60_000,
  streamIdleTimeoutMs: 4 * 3_600_000,
  streamCreationTimeoutMs: 30_000,
  headerBytes: 32 * 1024,
  bodyBytes: 64 * 1024,
  connections: 10_000,
  forwardedConnections: 1000,
  shutdownGraceMs: 10_000,
  podEndGraceMs: 5000,
};

/** Handlers that others bring. An absent one is answered 404, as by a kubelet without that part; container logs have a default. */
export interface KubeletHandlers {
  readonly containerLogs?: KubeletHandler | undefined;
  readonly statsSummary?: KubeletHandler | undefined;
  readonly metrics?: KubeletHandler | undefined;
  readonly resourceMetrics?: KubeletHandler | undefined;
  readonly cadvisorMetrics?: KubeletHandler | undefined;
  readonly probeMetrics?: KubeletHandler | undefined;
}

export interface KubeletServerOptions {
  readonly nodes: readonly NodeListener[];
  /**
   * True: nodes with the same host and port (0 included) share one listener. It answers what names a pod (of any of
   * them) or a node (in Host or SNI), and 421 else. Default false: the same address twice is an error.
   */
  readonly sharedPort?: boolean | undefined;
  /** One for all, or one of each node. Their owner runs them; while there is none yet, handshakes fail. */
  readonly certificate: Renewed<ServingCertificate> | ((node: string) => Renewed<ServingCertificate>);
  /**
   * CAs of client certificates (PEM bundle). Absent: no client certificate is asked for. Its owner runs it; while there
   * is none yet, no client certificate is good.
   */
  readonly clientCA?: Renewed<string> | undefined;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly handlers: KubeletHandlers;
  readonly limits?: Partial<KubeletServerLimits> | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /**
   * Default false: the audit line of an exec has the program's name and how many arguments it had. Arguments can hold
   * secrets, and the program's log is read by more people than the API server's audit log, which has them anyway.
   */
  readonly auditArguments?: boolean | undefined;
  /** What is wrong with the work on the node's pods (for the log), or undefined; the check `syncloop` of /healthz. Default: nothing is. */
  readonly problem?: ((node: string) => string | undefined) | undefined;
  /** For /configz, beside what the server itself knows: a KubeletConfiguration, as far as it means something here. No secrets. */
  readonly configuration?: ((node: string) => Readonly<Record<string, unknown>>) | undefined;
  /** For /flagz: flags and values. No secrets. Default: none. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  /** For /statusz; default "unknown". */
  readonly version?: string | undefined;
  /** Default: SPDY/3.1 and WebSocket. */
  readonly wires?: Wires | undefined;
}
