// An engine for tests: a server on a socket of its own that answers as it is told, and notes what it was asked.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

export interface EngineScript {
  /** Told what was asked, "GET /containers/json", without the API's version; false: it does not answer. */
  readonly answer?: (request: string, response: ServerResponse, incoming: IncomingMessage) => boolean;
  readonly upgrade?: (request: string, socket: Duplex, body: Promise<string>) => Promise<void>;
  /** Default "docker". */
  readonly flavour?: "docker" | "podman";
}

export class ScriptedEngine implements AsyncDisposable {
  readonly path: string;
  /** "POST /containers/a/kill?signal=KILL", in their order. */
  readonly asked: string[] = [];
  readonly #directory: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(directory: string, server: Server) {
    this.#directory = directory;
    this.#server = server;
    this.path = join(directory, "engine.sock");
  }

  static async start(script: EngineScript): Promise<ScriptedEngine> {
    const server = createServer();
    const engine = new ScriptedEngine(mkdtempSync(join(tmpdir(), "scripted-engine-")), server);
    server.on("connection", (socket) => {
      engine.#sockets.add(socket);
      socket.once("close", () => engine.#sockets.delete(socket));
    });
    server.on("request", (incoming, response) => {
      const request = requestText(incoming);
      engine.asked.push(request);
      if (script.answer?.(request, response, incoming) === true) return;
      if (request === "GET /version") {
        const Components = script.flavour === "podman" ? [{ Name: "Podman Engine" }] : [{ Name: "Engine" }];
        respond(response, 200, { Version: "1", ApiVersion: "1.41", Components });
      } else if (request === "GET /info") respond(response, 200, { NCPU: 2, MemTotal: 1024, CgroupVersion: "2" });
      else respond(response, 404, { message: `nothing is known of ${request}` });
    });
    // Without a listener an upgrade is a request like others.
    const { upgrade } = script;
    if (upgrade !== undefined)
      server.on("upgrade", (incoming, socket, head) => {
        const request = requestText(incoming);
        engine.asked.push(request);
        socket.on("error", () => {});
        socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
        const length = Number(incoming.headers["content-length"] ?? 0);
        upgrade(request, socket, readBody(socket, head, length)).catch(() => socket.destroy());
      });
    server.listen(engine.path);
    await once(server, "listening");
    return engine;
  }

  /** Ends all connections; new ones are taken. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function respond(response: ServerResponse, status: number, body: unknown): true {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  return true;
}

function requestText({ method, url = "" }: IncomingMessage): string {
  return `${method} ${url.replace(/^\/v[\d.]+/, "")}`;
}

/** Of an upgrade the body comes before what is said on the connection. */
async function readBody(socket: Duplex, head: Buffer, length: number): Promise<string> {
  let bytes = head;
  while (bytes.length < length) {
    const [chunk]: unknown[] = await once(socket, "data");
    socket.pause();
    if (chunk instanceof Uint8Array) bytes = Buffer.concat([bytes, chunk]);
  }
  if (bytes.length > length) socket.unshift(bytes.subarray(length));
  return bytes.toString("utf8", 0, length);
}
