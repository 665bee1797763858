// A bare client of the API server's logs and execs: counts bytes, keeps none, and costs as little as it can, for it shares the machine.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type ClientHttp2Session, connect } from "node:http2";
import { request } from "node:https";
import { type Duplex, PassThrough, type Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";
import { SpdySession } from "../../packages/virtual-kubelet/src/streaming/spdy-session.ts";

/** How to reach the API server as its administrator. */
export interface Access {
  readonly host: string;
  readonly port: number;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Reads a kubeconfig of the test control plane. */
export async function accessOf(kubeconfig: string): Promise<Access> {
  const config = await readFile(kubeconfig, "utf8");
  const field = (name: string): string => new RegExp(`"${name}": "([^"]+)"`).exec(config)?.[1] ?? "";
  const file = (name: string): Buffer => Buffer.from(field(name), "base64");
  const { hostname, port } = new URL(field("server"));
  return {
    host: hostname,
    port: Number(port),
    ca: file("certificate-authority-data"),
    cert: file("client-certificate-data"),
    key: file("client-key-data"),
  };
}

export function logPath(pod: string, follow = false): string {
  return `/api/v1/namespaces/default/pods/${pod}/log?container=main${follow ? "&follow=true" : ""}`;
}

/** A log as it comes. */
export async function openLog(access: Access, pod: string): Promise<Readable> {
  const { promise, resolve, reject } = Promise.withResolvers<Readable>();
  request({ ...access, path: logPath(pod), agent: false }, (response) => {
    if (response.statusCode === 200) resolve(response);
    else text(response).then((body) => reject(new Error(`${response.statusCode} ${body}`)), reject);
  })
    .once("error", reject)
    .end();
  return promise;
}

/** How many bytes come until its end. */
export async function countBytes(readable: Readable): Promise<number> {
  let bytes = 0;
  readable.on("data", (piece: Buffer) => {
    bytes += piece.length;
  });
  await once(readable, "end");
  return bytes;
}

/** An HTTP/2 session for requests that stay open. */
export async function openSession(access: Access): Promise<ClientHttp2Session> {
  const { host, port, ...secrets } = access;
  const session = connect(`https://${host}:${port}`, secrets);
  await once(session, "connect");
  return session;
}

/** One exec that is open. */
export interface Exec {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  /** What the kubelet says of its end, a Status in JSON; rejects when the connection breaks before. */
  readonly outcome: Promise<string>;
  close(): void;
}

/** How the client speaks to the API server, and, since it passes both on, the API server to the kubelet. */
export type Wire = "SPDY" | "WebSocket";

/** Opens an exec; resolves when its streams are there. Without stdin the command has none. */
export function openExec(
  access: Access,
  wire: Wire,
  pod: string,
  command: readonly string[],
  stdin: boolean,
): Promise<Exec> {
  const query = new URLSearchParams({ container: "main", stdout: "true", ...(stdin && { stdin: "true" }) });
  for (const word of command) query.append("command", word);
  const path = `/api/v1/namespaces/default/pods/${pod}/exec?${query.toString()}`;
  return wire === "SPDY" ? bySpdy(access, path, stdin) : byWebSocket(access, path, stdin);
}

async function bySpdy(access: Access, path: string, stdin: boolean): Promise<Exec> {
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly socket: Duplex; readonly head: Buffer }>();
  request({
    ...access,
    agent: false,
    method: "POST",
    path,
    headers: { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" },
  })
    .once("error", reject)
    .once("response", (response) => {
      text(response).then((body) => reject(new Error(`${response.statusCode} ${body}`)), reject);
    })
    .once("upgrade", (_response, socket, head) => resolve({ socket, head }))
    .end();
  const { socket, head } = await promise;
  const session = new SpdySession(socket, { idleTimeoutMs: 0, role: "client", head });
  const open = (type: string) => session.open([["streamtype", type]]);
  const error = await open("error");
  const input = stdin ? await open("stdin") : undefined;
  const stdout = await open("stdout");
  return { stdin: input, stdout, outcome: textUntilClose(error), close: () => session.destroy() };
}

/** The Go project's server resets the stream after what it had to say. */
function textUntilClose(stream: Duplex): Promise<string> {
  let said = "";
  stream.setEncoding("utf8").on("data", (more: string) => {
    said += more;
  });
  return new Promise((resolve) => stream.once("end", () => resolve(said)).once("close", () => resolve(said)));
}

async function byWebSocket(access: Access, path: string, stdin: boolean): Promise<Exec> {
  const { host, port, ...secrets } = access;
  const webSocket = new WebSocket(`wss://${host}:${port}${path}`, "v5.channel.k8s.io", {
    ...secrets,
    perMessageDeflate: false,
  });
  const outcome = Promise.withResolvers<string>();
  // Who measures the bytes alone does not ask for it.
  outcome.promise.catch(() => undefined);
  const stdout = new PassThrough({ highWaterMark: 1 << 20 });
  webSocket.on("message", (data) => {
    if (!Buffer.isBuffer(data)) return;
    const [channel] = data;
    if (channel === 1 && data.length > 1 && !stdout.write(data.subarray(1))) {
      webSocket.pause();
      stdout.once("drain", () => webSocket.resume());
    }
    if (channel === 3) outcome.resolve(data.toString("utf8", 1));
  });
  webSocket.once("close", () => {
    outcome.reject(new Error("the connection ended before the command"));
    stdout.end();
  });
  await once(webSocket, "open");
  const input = new Writable({
    write: (chunk: Buffer, _encoding, done) => webSocket.send(Buffer.concat([Buffer.of(0), chunk]), done),
    final: (done) => webSocket.send(Buffer.of(255, 0), done),
  });
  return { stdin: stdin ? input : undefined, stdout, outcome: outcome.promise, close: () => webSocket.terminate() };
}
