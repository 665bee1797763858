// Asks a server whether it serves, by grpc.health.v1.Health/Check over HTTP/2 in the clear: one connection, one call.
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import type { Deadline } from "./probe-deadline.ts";
import {
  checkPath,
  checkRequest,
  checkStatus,
  httpStatus,
  isGrpc,
  type RpcStatus,
  rpcStatus,
  serving,
  statusName,
} from "./probe-grpc-message.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import { goDuration, hostPort, socketErrorText } from "./probe-text.ts";

export interface GrpcCheck {
  readonly host: string;
  readonly port: number;
  /** "": the server as a whole. */
  readonly service: string;
  readonly userAgent: string;
  readonly timeoutMs: number;
}

const answerLimit = 10 * 1024;

/** Whatever goes wrong is a failure. Throws nothing but Aborted. */
export async function grpcProbe(check: GrpcCheck, deadline: Deadline): Promise<ProbeOutcome> {
  const { host, port, timeoutMs } = check;
  const address = hostPort(host, port);
  const socket = connect({ host, port });
  // Of one that is given up while it is being connected nobody else would hear.
  socket.on("error", () => {});
  const session = connectHttp2(`http://${address}`, {
    createConnection: () => socket,
    maxSessionMemory: 1,
    settings: { enablePush: false },
  });
  try {
    const connected = await deadline.race(greeted(session, host, port));
    deadline.throwIfAborted();
    if (connected === undefined) {
      const text = `timeout: failed to connect service ${JSON.stringify(address)} within ${goDuration(timeoutMs)}`;
      return { type: "failure", output: `${text}: context deadline exceeded` };
    }
    if (connected !== "ready") {
      const text = `error: failed to connect service at ${JSON.stringify(address)}: ${connected.fault}`;
      return { type: "failure", output: text };
    }
    const answer = await deadline.race(call(session, check, address));
    deadline.throwIfAborted();
    return answer === undefined ? { type: "failure", output: late(timeoutMs) } : judged(answer, timeoutMs);
  } finally {
    session.destroy();
    socket.destroy();
  }
}

const late = (timeoutMs: number): string => `timeout: health rpc did not complete within ${goDuration(timeoutMs)}`;

function judged(answer: RpcStatus | { readonly status: number }, timeoutMs: number): ProbeOutcome {
  if ("status" in answer) {
    if (answer.status === serving) return { type: "success" };
    return {
      type: "failure",
      output: `service unhealthy (responded with ${JSON.stringify(statusName(answer.status))})`,
    };
  }
  const { code, message } = answer;
  switch (code) {
    case "Unimplemented": {
      const text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)";
      return { type: "failure", output: `${text}: ${message}` };
    }
    case "DeadlineExceeded":
      return { type: "failure", output: late(timeoutMs) };
    default:
      return {
        type: "failure",
        output: `error: health rpc probe failed: rpc error: code = ${code} desc = ${message}`,
      };
  }
}

/** The other side speaks HTTP/2. Never rejects. */
function greeted(
  session: ClientHttp2Session,
  host: string,
  port: number,
): Promise<"ready" | { readonly fault: string }> {
  return new Promise((resolve) => {
    session.once("remoteSettings", () => resolve("ready"));
    // For the life of the session: later ones end the call as well.
    session.on("error", (error) => resolve({ fault: socketErrorText(error, host, port) }));
    session.once("close", () => resolve({ fault: "connection closed before server preface received" }));
  });
}

/** Never rejects. */
function call(
  session: ClientHttp2Session,
  { service, timeoutMs, userAgent }: GrpcCheck,
  authority: string,
): Promise<RpcStatus | { readonly status: number }> {
  const unavailable = (message: string): RpcStatus => ({ code: "Unavailable", message });
  if (session.closed || session.destroyed) return Promise.resolve(unavailable("the connection is draining"));
  const stream = session.request({
    ...{ ":method": "POST", ":scheme": "http", ":path": checkPath, ":authority": authority },
    ...{ "content-type": "application/grpc", te: "trailers", "user-agent": userAgent },
    "grpc-timeout": `${Math.max(1, Math.round(timeoutMs))}m`,
  });
  return new Promise((resolve) => {
    let head: IncomingHttpHeaders & { readonly ":status"?: number | undefined } = {};
    let tail: IncomingHttpHeaders = {};
    const parts: Buffer[] = [];
    let size = 0;
    let error: Error | undefined;
    stream.on("response", (headers) => {
      head = headers;
    });
    stream.on("trailers", (headers) => {
      tail = headers;
    });
    stream.on("data", (part: Buffer) => {
      size += part.length;
      if (size <= answerLimit) parts.push(part);
      else stream.destroy();
    });
    stream.on("error", (fault) => {
      error = fault;
    });
    stream.on("close", () => {
      const status = rpcStatus(
        tail["grpc-status"] ?? head["grpc-status"],
        tail["grpc-message"] ?? head["grpc-message"],
      );
      if (size > answerLimit)
        resolve({ code: "ResourceExhausted", message: `received message larger than max (${answerLimit})` });
      else if (head[":status"] === undefined) resolve(unavailable(error?.message ?? "the stream was closed"));
      else if (head[":status"] !== 200 || !isGrpc(head["content-type"]))
        resolve(httpStatus(head[":status"], head["content-type"]));
      else if (status === undefined)
        resolve({ code: "Internal", message: error?.message ?? "server closed the stream without sending trailers" });
      else if (status.code !== "OK") resolve(status);
      else {
        const found = checkStatus(Buffer.concat(parts));
        resolve(
          found === undefined ? { code: "Internal", message: "malformed health check response" } : { status: found },
        );
      }
    });
    stream.end(checkRequest(service));
  });
}
