// A registry of images over HTTPS on loopback, for what a real one seldom does: tokens, blobs kept elsewhere, answers that are wrong.
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { createAuthority } from "@virtual-kubelet/virtual-kubelet/testing";
import { listen, textOf } from "./fake-http.ts";

export class FakeRegistry implements AsyncDisposable {
  /** PEM. */
  readonly ca: string;
  /** `127.0.0.1:port` */
  readonly host: string;
  /** How it wants to know who asks; default "nobody". */
  login: "nobody" | "basic" | "bearer" | "bearerElsewhere" = "nobody";
  /** Who may read: `user:password`, or a refresh token. */
  account = "";
  /** Blobs are kept on a host of their own. */
  keepsBlobsElsewhere = false;
  /** Answered in place of everything. */
  status: number | undefined;
  /** Path and header Authorization of what was asked. */
  readonly asked: { readonly path: string; readonly authorization: string | undefined }[] = [];
  readonly #content = new Map<string, string>();
  readonly #server: ReturnType<typeof createServer>;

  static async start(): Promise<FakeRegistry> {
    const authority = createAuthority("fake-registry-ca");
    const { certificate, key } = authority.issue({
      ...{ commonName: "fake-registry", ipAddresses: ["127.0.0.1"], dnsNames: ["localhost"] },
    });
    const server = createServer({ cert: certificate, key });
    return new FakeRegistry(server, authority.certificate, await listen(server));
  }

  private constructor(server: ReturnType<typeof createServer>, ca: string, port: number) {
    this.#server = server;
    this.ca = ca;
    this.host = `127.0.0.1:${port}`;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  /** Its digest; by a tag too, where one is named. */
  put(repository: string, kind: "manifests" | "blobs", content: unknown, tag?: string): string {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    for (const name of [digest, ...(tag === undefined ? [] : [tag])])
      this.#content.set(`/v2/${repository}/${kind}/${name}`, text);
    return digest;
  }

  /** An image that runs this. Digest of its manifest. */
  publish(repository: string, tag: string, config: object): string {
    const digest = this.put(repository, "blobs", { architecture: "amd64", os: "linux", config });
    return this.put(repository, "manifests", { schemaVersion: 2, config: { digest }, layers: [] }, tag);
  }

  /** Other content under a name. */
  spoil(path: string, text: string): void {
    this.#content.set(path, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "", `https://${this.host}`);
    const { authorization } = request.headers;
    this.asked.push({ path: pathname, authorization });
    const basic = `Basic ${Buffer.from(this.account).toString("base64")}`;
    if (this.status !== undefined) {
      response.writeHead(this.status).end();
      return;
    }
    if (pathname === "/token") {
      this.#withForm(request, response, (form) => {
        const isKnown = authorization === basic || form.get("refresh_token") === this.account || this.account === "";
        const scope = searchParams.get("scope") ?? form.get("scope");
        response.writeHead(isKnown ? 200 : 401).end(JSON.stringify({ token: `token for ${scope}` }));
      });
      return;
    }
    if (pathname === "/oauth2/exchange") {
      this.#withForm(request, response, (form) => {
        const isKnown = form.get("access_token") === "directory token" && form.get("service") === this.host;
        response.writeHead(isKnown ? 200 : 403).end(JSON.stringify({ refresh_token: this.account }));
      });
      return;
    }
    if (pathname.startsWith("/elsewhere/")) {
      this.#send(pathname.slice("/elsewhere".length), response);
      return;
    }
    const [, repository = ""] = /^\/v2\/(.+)\/(?:manifests|blobs)\/[^/]+$/.exec(pathname) ?? [];
    const isBearer = this.login.startsWith("bearer");
    const wanted = this.login === "basic" ? basic : isBearer ? `Bearer token for repository:${repository}:pull` : "";
    if (wanted !== "" && authorization !== wanted) {
      const realm = this.login === "bearerElsewhere" ? "http://127.0.0.1:1/token" : `https://${this.host}/token`;
      const challenge = isBearer ? `Bearer realm="${realm}",service="fake"` : 'Basic realm="fake"';
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return;
    }
    if (this.keepsBlobsElsewhere && pathname.includes("/blobs/")) {
      const port = this.host.split(":")[1] ?? "";
      response.writeHead(307, { location: `https://localhost:${port}/elsewhere${pathname}` }).end();
      return;
    }
    this.#send(pathname, response);
  }

  /** Nothing is answered to who goes while still asking. */
  #withForm(request: IncomingMessage, response: ServerResponse, answer: (form: URLSearchParams) => void): void {
    textOf(request).then(
      (text) => answer(new URLSearchParams(text)),
      () => response.destroy(),
    );
  }

  #send(path: string, response: ServerResponse): void {
    const text = this.#content.get(path);
    response.writeHead(text === undefined ? 404 : 200).end(text);
  }
}
