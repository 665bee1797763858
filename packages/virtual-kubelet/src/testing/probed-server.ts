// What probes ask, as a container: an HTTP server, a gRPC health service and TCP ports at one address, each as well as the files
// `startup`, `ready` and `alive` of its directory say. Arguments: directory, address, port of HTTP, of gRPC, and of TCP for each
// file. It is alive when it begins, and ends by TERM with code 7.
import { existsSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:net";
import { join } from "node:path";

const [directory = "", address = "", ...ports] = process.argv.slice(2);
const [httpPort = 0, grpcPort = 0, ...tcpPorts] = ports.map(Number);
const files = ["startup", "ready", "alive"];
const holds = (name: string): boolean => existsSync(join(directory, name));

process.on("SIGTERM", () => process.exit(7));
writeFileSync(join(directory, "alive"), "");

createHttpServer((request, response) => {
  response.writeHead(holds(request.url?.slice(1) ?? "") ? 200 : 500).end();
}).listen(httpPort, address);

/** grpc.health.v1: the service asked for is field 1 of the request, the state field 1 of the answer: 1 SERVING, 2 NOT_SERVING. */
createHttp2Server()
  .on("stream", (stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => undefined);
    stream.once("end", () => {
      const service = Buffer.concat(chunks).subarray(7).toString();
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, holds(service) ? 1 : 2]));
    });
  })
  .listen(grpcPort, address);

const listening = new Map<string, Server>();
setInterval(() => {
  for (const [index, name] of files.entries()) {
    const server = listening.get(name);
    if (holds(name) === (server !== undefined)) continue;
    listening.delete(name);
    server?.close();
    if (server === undefined)
      listening.set(name, createServer((socket) => socket.destroy()).listen(tcpPorts[index] ?? 0, address));
  }
}, 50);
