// The two messages of grpc.health.v1.Health/Check, their frame, and the words for what may come instead. Pure.

export const checkPath = "/grpc.health.v1.Health/Check";

/** A gRPC frame with a HealthCheckRequest: field 1 is the service's name. */
export function checkRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** `status` (field 1) of a frame with a HealthCheckResponse; undefined when it is none. */
export function checkStatus(frame: Buffer): number | undefined {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) return undefined;
  let status = 0;
  let at = 5;
  const number = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = frame[at++];
      if (byte === undefined) return undefined;
      // An enum has 32 bits; the higher ones of a negative number say nothing more.
      if (shift < 35) value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < frame.length) {
    const tag = number();
    if (tag === undefined || tag < 8) return undefined;
    const kind = tag & 7;
    if (kind === 0) {
      const value = number();
      if (value === undefined) return undefined;
      if (tag >>> 3 === 1) status = value | 0;
    } else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = number();
      if (length === undefined) return undefined;
      at += length;
    } else return undefined;
    if (at > frame.length) return undefined;
  }
  return status;
}

export const serving = 1;

export function statusName(status: number): string {
  return ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"][status] ?? String(status);
}

const codes = [
  ...["OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"],
  ...["PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"],
  ...["Internal", "Unavailable", "DataLoss", "Unauthenticated"],
];

export interface RpcStatus {
  /** "OK", "Unimplemented" ... */
  readonly code: string;
  readonly message: string;
}

/** Of `grpc-status` and `grpc-message`; undefined when there is no status. */
export function rpcStatus(status: unknown, message: unknown): RpcStatus | undefined {
  if (typeof status !== "string" || !/^\d{1,9}$/.test(status)) return undefined;
  return {
    code: codes[Number(status)] ?? `Code(${Number(status)})`,
    message: typeof message === "string" ? percentDecoded(message) : "",
  };
}

/** What an answer means that is not gRPC at all. */
export function httpStatus(status: number, contentType: unknown): RpcStatus {
  const byStatus: Readonly<Record<number, string>> = {
    400: "Internal",
    401: "Unauthenticated",
    403: "PermissionDenied",
    404: "Unimplemented",
    429: "Unavailable",
    502: "Unavailable",
    503: "Unavailable",
    504: "Unavailable",
  };
  const type = typeof contentType === "string" ? JSON.stringify(contentType) : '""';
  const what = status === 200 ? "" : `unexpected HTTP status code received from server: ${status}; `;
  return { code: byStatus[status] ?? "Unknown", message: `${what}transport: received unexpected content-type ${type}` };
}

export function isGrpc(contentType: unknown): boolean {
  return typeof contentType === "string" && /^application\/grpc([+;]|$)/i.test(contentType);
}

function percentDecoded(text: string): string {
  const bytes = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  bytes.push(left);
  return Buffer.from(bytes);
}
