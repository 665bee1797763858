// The one error class of the project and its closed vocabulary of kinds. Providers, the API client and the core throw it;
// who handles an error looks at `kind` alone.

/**
 * What went wrong, and with it what the core does about it:
 *
 * | kind | meaning | the core |
 * |---|---|---|
 * | NotFound | the thing does not exist | takes it as gone (a pod only after it was said twice) |
 * | Invalid | the request can never succeed as it is | terminal: refuses the pod, names `field` |
 * | Unsupported | the backend lacks the ability | terminal for a pod; 501 on the kubelet API |
 * | Conflict | somebody else changed or made it | re-reads and tries again |
 * | Quota | a limit of the account or backend is reached | retries with back-off |
 * | Throttled | too many calls; `retryAfterMs` says when | retries, not before `retryAfterMs` |
 * | Unavailable | the backend or the network failed; outcome unknown | retries with back-off |
 * | Unauthorized | credentials were refused | retries with back-off, credentials re-read |
 * | Forbidden | authenticated, but not allowed | retries with back-off (authorisers lag) |
 * | Expired | a resource version or token is too old | starts over from a fresh read |
 * | Aborted | the caller's signal ended it | nothing |
 * | Internal | a fault of the program itself | logs with stack, retries with back-off |
 */
export type ErrorKind =
  | "NotFound"
  | "Invalid"
  | "Unsupported"
  | "Conflict"
  | "Quota"
  | "Throttled"
  | "Unavailable"
  | "Unauthorized"
  | "Forbidden"
  | "Expired"
  | "Aborted"
  | "Internal";

export interface ErrorDetails {
  readonly cause?: unknown;
  /** The field at fault, as a path in the API object or configuration, e.g. `spec.containers[0].image`. */
  readonly field?: string | undefined;
  /** Milliseconds to wait before another try, where the other side said so (Retry-After). */
  readonly retryAfterMs?: number | undefined;
  /**
   * HTTP status of the API server's or backend's answer. A createPod that fails with one of 4xx (but 408 and 409) has surely made
   * nothing, whatever the kind.
   */
  readonly httpStatus?: number | undefined;
  /** `reason` of the Kubernetes Status answered (`AlreadyExists`, `Expired` ...), or of the pod status to write for a refusal. */
  readonly reason?: string | undefined;
}

/** Thrown by everything here; providers may throw it too. Messages hold no secrets. */
export class VirtualKubeletError extends Error {
  override readonly name = "VirtualKubeletError";
  readonly kind: ErrorKind;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly httpStatus: number | undefined;
  readonly reason: string | undefined;
  /** Marks the class across copies of this package. */
  readonly isVirtualKubeletError = true as const;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.field = details.field;
    const { retryAfterMs } = details;
    // A header that was no number must not become a time that never, or always, has come.
    this.retryAfterMs =
      retryAfterMs !== undefined && retryAfterMs >= 0 && retryAfterMs < 1e12 ? retryAfterMs : undefined;
    this.httpStatus = details.httpStatus;
    this.reason = details.reason;
  }

  /** Works across copies of this package, e.g. a provider package with its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && "isVirtualKubeletError" in value;
  }

  /** Any thrown value as one of ours: aborts as Aborted, errno of sockets as Unavailable, the rest as Internal. */
  static from(value: unknown): VirtualKubeletError {
    if (value instanceof VirtualKubeletError) return value;
    if (!(value instanceof Error)) return new VirtualKubeletError("Internal", String(value));
    if (value.name === "AbortError") return new VirtualKubeletError("Aborted", value.message, { cause: value });
    if (value.name === "TimeoutError") return new VirtualKubeletError("Unavailable", value.message, { cause: value });
    const code = "code" in value && typeof value.code === "string" ? value.code : "";
    const network =
      /^(E(CONN|HOST|NET|PIPE|ADDR|AI_)|ETIMEDOUT|ENOTFOUND|EPROTO|ERR_(HTTP2|TLS|SSL|STREAM)|UND_ERR|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;
    return new VirtualKubeletError(network.test(code) ? "Unavailable" : "Internal", value.message, { cause: value });
  }
}

/** Is `value` an error of this kind? Foreign errors are mapped by `VirtualKubeletError.from` first. */
export function isErrorKind(value: unknown, ...kinds: readonly ErrorKind[]): boolean {
  return kinds.includes(VirtualKubeletError.from(value).kind);
}

const nodeAdvice = /; if the root CA is installed locally, try.*$/;

/** The message, with those of its causes that say more, on one line. */
export function errorText(value: unknown): string {
  const parts: string[] = [];
  for (let error: unknown = value; error !== undefined && error !== null; ) {
    // Node.js adds advice for those who start it, which is none for who reads this.
    const message = (error instanceof Error ? error.message : String(error)).replace(nodeAdvice, "");
    const code = /: (E[A-Z]+)$/.exec(parts.at(-1) ?? "")?.[1];
    if (message !== "" && !parts.some((part) => part.includes(message)))
      parts.push(code !== undefined && message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message);
    error = error instanceof Error ? error.cause : undefined;
  }
  return parts.join(": ").replaceAll(/\s*\n\s*/g, " ");
}
