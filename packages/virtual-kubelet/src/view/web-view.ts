// The web view: which requests are its own, who may ask, and what is answered. Read-only; everything else is refused.
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { type AnyRequest, type AnyResponse, hostOf } from "../server/request-peer.ts";
import type { CallerCertificate } from "../server/verified-callers.ts";
import type { VirtualKubelet } from "../virtual-kubelet.ts";
import { ActivityLog } from "./activity-log.ts";
import { headers, sendJson, sendText } from "./answers.ts";
import { readAsset } from "./assets.ts";
import { type SnapshotSource, snapshot, type ViewQuery } from "./snapshot.ts";
import { StateStreams } from "./state-streams.ts";
import type { Sight, ViewAccess } from "./view-access.ts";

export interface WebViewOptions {
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  /** It listens on loopback alone: plain HTTP is good enough, and nobody but this machine may be meant by the Host header. */
  readonly loopback: boolean;
}

/** What of a request its connection says. */
export interface ViewConnection {
  /** TLS. */
  readonly secure: boolean;
  readonly certificate: CallerCertificate;
}

const path = "/view/";

export class WebView {
  readonly activity: ActivityLog = new ActivityLog();
  readonly #options: WebViewOptions;
  readonly #startedAt: number = Date.now();
  readonly #streams: StateStreams;
  #shown: { readonly source: SnapshotSource; readonly access: ViewAccess } | undefined;

  constructor(options: WebViewOptions) {
    this.#options = options;
    this.#streams = new StateStreams({ log: options.log });
  }

  /** From now on there is something to see. */
  show(inside: VirtualKubelet["inside"], access: ViewAccess): void {
    const { metrics, version } = this.#options;
    const { activity } = this;
    const now = (): number => Date.now();
    this.#shown = { source: { inside, activity, metrics, version, startedAt: this.#startedAt, now }, access };
  }

  /** Is it a request for the view? */
  isFor(target: string): boolean {
    return target === "/view" || target.startsWith(path) || target.startsWith("/view?");
  }

  async answer(request: AnyRequest, response: AnyResponse, connection: ViewConnection): Promise<void> {
    const target = request.url ?? "/";
    if (request.method !== "GET" && request.method !== "HEAD")
      return sendText(response, 405, "the web view only shows: GET is allowed\n", { Allow: "GET, HEAD" });
    const refusal = this.#refusal(request, connection);
    if (refusal !== undefined) return sendText(response, 403, `${refusal}\n`);
    const [name = "", query = ""] = target.split("?", 2);
    if (!name.startsWith(path)) return sendText(response, 308, "", { Location: path });
    const rest = name.slice(path.length);
    if (rest.startsWith("api/"))
      return this.#answerData(rest, new URLSearchParams(query), request, response, connection);
    const asset = await readAsset(rest === "" ? "index.html" : rest);
    if (asset === undefined) return sendText(response, 404, "404 page not found\n");
    response.writeHead(200, { ...headers, "Content-Type": asset.type });
    response.end(request.method === "HEAD" ? undefined : asset.body);
  }

  /** Why nobody is answered who asks like this. */
  #refusal(request: AnyRequest, { secure }: ViewConnection): string | undefined {
    if (!this.#options.loopback)
      return secure ? undefined : "the web view is served by https alone: this address is not loopback";
    // A name of somebody else's that leads here would let their page read this one.
    const host = URL.parse(`http://${hostOf(request) ?? ""}`)?.hostname ?? "";
    if (/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(host)) return undefined;
    return "the web view answers to localhost and addresses of loopback alone";
  }

  async #answerData(
    name: string,
    query: URLSearchParams,
    request: AnyRequest,
    response: AnyResponse,
    { certificate }: ViewConnection,
  ): Promise<void> {
    const site = request.headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin" && site !== "none")
      return sendText(response, 403, "the web view answers to its own page alone\n");
    if (name !== "api/state" && name !== "api/stream") return sendText(response, 404, "404 page not found\n");
    if (this.#shown === undefined) return sendText(response, 503, "the program is starting\n", { "Retry-After": "1" });
    const { source, access } = this.#shown;
    const left = new AbortController();
    response.once("close", () => left.abort());
    let sight: Sight;
    try {
      const credentials = { authorization: request.headers.authorization, certificate };
      sight = await access.sightOf(credentials, source.inside.nodes, left.signal);
    } catch (error) {
      if (left.signal.aborted) return;
      const { kind } = VirtualKubeletError.from(error);
      if (kind === "Unauthorized") return sendText(response, 401, "Unauthorized\n", { "WWW-Authenticate": "Bearer" });
      if (kind === "Forbidden") return sendText(response, 403, `${errorText(error)}\n`);
      this.#options.log.error({ err: error }, "who asks for the web view could not be found out");
      return sendText(response, 500, "it could not be found out who you are and what you may see\n");
    }
    const asked = queryOf(query);
    const look = (): ReturnType<typeof snapshot> => snapshot(source, asked, sight.maySee);
    if (name === "api/state") return sendJson(response, await look());
    return this.#streams.serve(response, look, left.signal);
  }
}

function queryOf(query: URLSearchParams): ViewQuery {
  const text = (name: string): string => (query.get(name) ?? "").slice(0, 200);
  return { filter: text("filter"), phase: text("phase"), node: text("node"), pod: text("pod") };
}
