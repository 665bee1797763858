// Errors of AWS as ours. Pure.
import { type ErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

const kinds: Readonly<Record<string, ErrorKind>> = {
  ThrottlingException: "Throttled",
  Throttling: "Throttled",
  TooManyRequestsException: "Throttled",
  RequestLimitExceeded: "Throttled",
  RequestThrottled: "Throttled",
  RequestThrottledException: "Throttled",
  SlowDown: "Throttled",
  ExpiredToken: "Unauthorized",
  ExpiredTokenException: "Unauthorized",
  UnrecognizedClientException: "Unauthorized",
  InvalidClientTokenId: "Unauthorized",
  InvalidSignatureException: "Unauthorized",
  SignatureDoesNotMatch: "Unauthorized",
  IncompleteSignature: "Unauthorized",
  MissingAuthenticationToken: "Unauthorized",
  MissingAuthenticationTokenException: "Unauthorized",
  CredentialsProviderError: "Unauthorized",
  TokenProviderError: "Unauthorized",
  AccessDenied: "Forbidden",
  AccessDeniedException: "Forbidden",
  UnauthorizedOperation: "Forbidden",
  OptInRequired: "Forbidden",
  BlockedException: "Forbidden",
  ResourceNotFoundException: "NotFound",
  TaskNotFoundException: "NotFound",
  // Of the account's set-up, which somebody mends: nothing is said of a pod.
  ClusterNotFoundException: "Unavailable",
  TargetNotConnectedException: "Unavailable",
  "AWS.SimpleQueueService.NonExistentQueue": "Unavailable",
  QueueDoesNotExist: "Unavailable",
  LimitExceededException: "Quota",
  ServiceQuotaExceededException: "Quota",
  ConflictException: "Conflict",
  ResourceExistsException: "Conflict",
  ResourceAlreadyExistsException: "Conflict",
  ResourceInUseException: "Conflict",
  UpdateInProgressException: "Conflict",
  ClientException: "Invalid",
  InvalidParameterException: "Invalid",
  InvalidRequestException: "Invalid",
  InvalidParameterValue: "Invalid",
  ValidationException: "Invalid",
  ValidationError: "Invalid",
  UnsupportedFeatureException: "Invalid",
  PlatformUnknownException: "Invalid",
  PlatformTaskDefinitionIncompatibilityException: "Invalid",
};

/**
 * `isSecret`: what was sent holds secrets, which a message may quote: it is left out. AWS's name of the error is the `name` of the
 * cause.
 */
export function awsError(operation: string, thrown: unknown, isSecret: boolean): VirtualKubeletError {
  if (thrown instanceof VirtualKubeletError || !(thrown instanceof Error)) return VirtualKubeletError.from(thrown);
  const { name } = thrown;
  if (name === "AbortError" || name === "TimeoutError") return VirtualKubeletError.from(thrown);
  const status = statusOf(thrown);
  const byStatus: ErrorKind | undefined =
    status === 429 ? "Throttled" : status !== undefined && status >= 500 ? "Unavailable" : undefined;
  const kind = (Object.hasOwn(kinds, name) ? kinds[name] : undefined) ?? byStatus ?? otherKind(thrown, status);
  const message = isSecret
    ? `${operation}: ${name}`
    : `${operation}: ${name === "Error" ? "" : `${name}: `}${thrown.message}`;
  return new VirtualKubeletError(kind, message, {
    cause: isSecret ? named(name) : thrown,
    httpStatus: status,
    retryAfterMs: retryAfterMs(thrown),
  });
}

/** What AWS calls it; "" where it is none of its errors. */
export function awsErrorName(error: unknown): string {
  return error instanceof VirtualKubeletError && error.cause instanceof Error ? error.cause.name : "";
}

function named(name: string): Error {
  const error = new Error("");
  error.name = name;
  return error;
}

function otherKind(thrown: Error, status: number | undefined): ErrorKind {
  if (status !== undefined && status >= 400) return status === 403 ? "Forbidden" : "Invalid";
  const { kind } = VirtualKubeletError.from(thrown);
  // A region that is not there, a connection that broke in a way that has no code.
  return kind === "Internal" && /socket|connect|network|hang up|timed? ?out/i.test(thrown.message)
    ? "Unavailable"
    : kind;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function statusOf(thrown: Error): number | undefined {
  const status = memberOf(memberOf(thrown, "$metadata"), "httpStatusCode");
  return typeof status === "number" ? status : undefined;
}

function retryAfterMs(thrown: Error): number | undefined {
  const header = memberOf(memberOf(memberOf(thrown, "$response"), "headers"), "retry-after");
  const seconds = typeof header === "string" ? Number(header) : Number.NaN;
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
