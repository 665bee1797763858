// Requests of the administrator to the API server of a control plane for tests. Deliberately not the client under test.
import { request } from "node:https";
import { VirtualKubeletError } from "../errors.ts";
import type { ClusterFiles } from "./control-plane-files.ts";

export class AdminRequests {
  readonly #files: Pick<ClusterFiles, "admin" | "ca">;
  readonly #server: () => string;

  /** `server`: where it is just now. */
  constructor(files: Pick<ClusterFiles, "admin" | "ca">, server: () => string) {
    this.#files = files;
    this.#server = server;
  }

  async exists(path: string): Promise<boolean> {
    return (await this.request("GET", path)).status === 200;
  }

  /** The answer; throws for one that is no success. */
  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.request(method, path, body);
    if (answer.status < 300) return JSON.parse(answer.body);
    throw new VirtualKubeletError("Internal", `${method} ${path}: ${answer.status} ${answer.body.slice(0, 500)}`);
  }

  request(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
    const { promise, resolve: settle, reject } = Promise.withResolvers<{ status: number; body: string }>();
    const { certificate: cert, key } = this.#files.admin;
    const headers = { "Content-Type": "application/json" };
    const signal = AbortSignal.timeout(60_000);
    const outgoing = request(
      `${this.#server()}${path}`,
      { method, headers, ca: this.#files.ca, cert, key, agent: false, signal },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.once("end", () => settle({ status: incoming.statusCode ?? 0, body: text })).once("error", reject);
      },
    );
    outgoing.once("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

/** Throws where there is none. */
export function stringAt(value: unknown, ...path: readonly string[]): string {
  let at: unknown = value;
  for (const key of path) {
    at = typeof at === "object" && at !== null ? Object.entries(at).find(([name]) => name === key)?.[1] : undefined;
  }
  if (typeof at !== "string")
    throw new VirtualKubeletError("Internal", `the API server's answer has no ${path.join(".")}`);
  return at;
}
