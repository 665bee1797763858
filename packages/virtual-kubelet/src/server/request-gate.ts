// Who asks, for which node, and may they: passed by every request before anything else is said.
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { AccessAttributes, Authenticator, Authorizer, UserInfo } from "./access.ts";
import { accessAttributes, forbiddenText, pathOf } from "./access-attributes.ts";
import { chooseNode, type NodesServed } from "./node-choice.ts";
import type { RouteMatch, Router } from "./router.ts";
import type { ServedNode } from "./served-node.ts";
import type { CallerCertificate } from "./verified-callers.ts";

/** An answer in plain text. */
export interface TextAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface GateRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  readonly authorization: string | undefined;
  readonly certificate: CallerCertificate;
  readonly host: string | undefined;
  readonly serverName: string | undefined;
  readonly served: NodesServed;
  readonly signal: AbortSignal;
}

export interface Passed<H> {
  readonly node: ServedNode;
  readonly user: UserInfo;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly match: RouteMatch<H>;
}

export interface GateOptions<H> {
  readonly router: Router<H>;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly log: Logger;
}

const misdirected =
  "this address serves several nodes: name the node in the Host header or by TLS server name, or ask for a pod\n";

/** In this order: 401, 400 (path), 421, 403, 404, 405; what is answered tells nothing that the caller may not know. */
export class RequestGate<H> {
  readonly #options: GateOptions<H>;

  constructor(options: GateOptions<H>) {
    this.#options = options;
  }

  async pass(request: GateRequest): Promise<Passed<H> | TextAnswer> {
    const user = await this.#authenticate(request);
    if (user === undefined) return { status: 401, body: "Unauthorized" };
    let path: string;
    try {
      path = pathOf(request.target);
    } catch (error) {
      return { status: 400, body: `${errorText(error)}\n` };
    }
    const match = this.#options.router.find(path);
    const { namespace, pod } = match?.params ?? {};
    const choice = chooseNode(request.served, {
      host: request.host,
      serverName: request.serverName,
      pod: namespace === undefined || pod === undefined ? undefined : { namespace, name: pod },
    });
    // No node to ask for: nothing is told but that one must be named.
    if (choice.type === "misdirected") return { status: 421, body: misdirected };
    // That a pod is on none of the nodes may only be told to who may ask about all of them.
    const attributes = accessAttributes(choice.type === "node" ? choice.node.name : "", request.method, path);
    const refusal = await this.#authorize(user, attributes, request.signal);
    if (refusal !== undefined) return refusal;
    if (choice.type === "unknown-pod") return { status: 404, body: "pod does not exist" };
    if (match === undefined) return { status: 404, body: "404 page not found\n" };
    const { methods } = match.route;
    if (!methods.includes(request.method))
      return { status: 405, body: "405: Method Not Allowed", headers: { Allow: methods.join(", ") } };
    const query = new URLSearchParams(request.target.slice(path.length + 1));
    return { node: choice.node, user, path, query, match };
  }

  async #authenticate({ authorization, certificate, signal }: GateRequest): Promise<UserInfo | undefined> {
    const isBad = certificate === "bad";
    const verifiedCertificate = isBad ? undefined : certificate?.verified;
    try {
      const credentials = { authorization, verifiedCertificate, hasBadCertificate: isBad };
      return await this.#options.authenticator.authenticate(credentials, signal);
    } catch (error) {
      if (!signal.aborted) this.#options.log.error({ err: error }, "a caller could not be authenticated");
      return undefined;
    }
  }

  async #authorize(user: UserInfo, attributes: AccessAttributes, signal: AbortSignal): Promise<TextAnswer | undefined> {
    try {
      const { allowed, reason } = await this.#options.authorizer.authorize(user, attributes, signal);
      if (allowed) return undefined;
      const { node, verb, subresources } = attributes;
      const fields = { user: user.username, node, verb, subresources, reason };
      this.#options.log.info(fields, "a request to the kubelet API was denied");
      return { status: 403, body: forbiddenText(user, attributes) };
    } catch (error) {
      const kind = VirtualKubeletError.from(error).kind;
      if (!signal.aborted) this.#options.log.error({ err: error, kind }, "a caller could not be authorised");
      const { verb, subresources } = attributes;
      const body = `Authorization error (user=${user.username}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(" ")}])\n`;
      return { status: 500, body };
    }
  }
}
