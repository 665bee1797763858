// A proxy before an API server that answers some requests with faults, for a program that shall have met all of them.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";

/** What becomes of a request instead; "cut": its connection breaks, a watch's after a while. */
export type ApiFault = number | "cut";

export interface FaultyApiServerOptions {
  /** `https://...` of the API server, and the credentials with which all requests go on. */
  readonly server: string;
  readonly ca: string | Buffer;
  readonly cert: string;
  readonly key: string;
  /** Asked for each request. */
  readonly fault: (method: string, path: string) => ApiFault | undefined;
}

export interface FaultyApiServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`; takes everybody for whom it has the credentials of. */
  readonly url: string;
}

const reasons: Readonly<Record<number, string>> = { 403: "Forbidden", 422: "Invalid", 429: "TooManyRequests" };

export async function startFaultyApiServer(options: FaultyApiServerOptions): Promise<FaultyApiServer> {
  const { ca, cert, key, fault } = options;
  const target = new URL(options.server);
  const answer = (from: IncomingMessage, to: ServerResponse): void => {
    const { method = "GET", url = "/" } = from;
    const found = fault(method, url);
    if (found === "cut" && !url.includes("watch=")) {
      from.socket.destroy();
      return;
    }
    if (typeof found === "number") {
      from.resume();
      to.writeHead(found, { "Content-Type": "application/json", ...(found === 429 ? { "Retry-After": "1" } : {}) });
      const reason = reasons[found] ?? "InternalError";
      to.end(
        JSON.stringify({
          kind: "Status",
          apiVersion: "v1",
          status: "Failure",
          reason,
          message: "made to fail",
          code: found,
        }),
      );
      return;
    }
    const { host, port } = { host: target.hostname, port: target.port };
    const onward = request({ host, port, method, path: url, headers: from.headers, ca, cert, key }, (response) => {
      to.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(to);
      response.on("error", () => to.destroy());
      if (found === "cut") response.once("data", () => setImmediate(() => from.socket.destroy()));
    });
    onward.on("error", () => to.destroy());
    to.on("close", () => onward.destroy());
    from.pipe(onward);
  };
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
