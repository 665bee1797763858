// From a request to what answers it: discovery, documents, reviews, objects.
import type { Answer } from "./access.ts";
import type { Api } from "./api.ts";
import { metricsGroup, type Resource } from "./api-data.ts";
import { methodNotAllowed, noSuchResource, notHere } from "./api-error.ts";
import type { Authorizer } from "./authorization.ts";
import type { Call, ResourceCall } from "./call.ts";
import { discovery } from "./discovery.ts";
import type { JsonObject } from "./json.ts";
import { openApi } from "./openapi.ts";
import { openApiProtobuf, protobufType } from "./openapi-protobuf.ts";
import { Reading } from "./reading.ts";
import type { ResourceMetrics } from "./resource-metrics.ts";
import { review } from "./reviews.ts";
import { isPart, subresource } from "./subresources.ts";
import { issuer, type Tokens } from "./tokens.ts";
import { create, patch, remove, removeCollection, update } from "./writing.ts";

export interface HandledAnswer extends Answer {
  readonly contentType?: string | undefined;
  /** Instead of the body. */
  readonly raw?: Buffer;
}

export interface HandlerParts {
  readonly api: Api;
  /** What discovery lists: here and elsewhere. */
  readonly served: () => readonly Resource[];
  readonly authorizer: Authorizer;
  readonly tokens: Tokens;
  readonly metrics: ResourceMetrics;
}

const writes: Readonly<Record<string, typeof create>> = { create, update, patch, delete: remove };

/** What is no stream: see `watch` and the kubelet proxy for these. */
export class Handler {
  readonly #parts: HandlerParts;
  readonly #reading: Reading;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#reading = new Reading(parts.api);
  }

  /** Throws ApiError. */
  async answer(call: Call, server: string): Promise<HandledAnswer> {
    const { route } = call;
    const { resource } = route;
    if (resource === undefined) return this.#ofPath(call, server);
    if (route.subresource !== "" && route.sub === undefined) throw noSuchResource();
    const about: ResourceCall = { ...call, resource };
    const verbs = route.sub?.verbs ?? resource.verbs;
    if (!verbs.includes(route.verb)) throw methodNotAllowed();
    if (resource.kind === "CustomResourceDefinition" && !["get", "list"].includes(route.verb))
      throw notHere("there are no custom resources, only the built-in ones");
    const { api, tokens, authorizer, metrics } = this.#parts;
    if (resource.group === metricsGroup) return { code: 200, body: await metrics.answer(about) };
    const special =
      (route.verb === "create" ? await review({ authorizer, tokens, now: api.now }, about) : undefined) ??
      (await subresource({ api, tokens }, about));
    if (special !== undefined) return special;
    if (route.subresource !== "" && !isPart(about)) throw notHere(`${resource.name}/${route.subresource}`);
    return this.#ofObject(about);
  }

  async #ofObject(call: ResourceCall): Promise<Answer> {
    const { verb } = call.route;
    if (verb === "get") return { code: 200, body: this.#reading.get(call) };
    if (verb === "list") return { code: 200, body: this.#reading.list(call) };
    if (verb === "deletecollection") return removeCollection(this.#parts.api, this.#reading, call);
    const write = writes[verb];
    if (write === undefined) throw methodNotAllowed();
    return write(this.#parts.api, call);
  }

  #ofPath({ route, accept }: Call, server: string): HandledAnswer {
    if (route.verb !== "get" && route.verb !== "head") throw noSuchResource();
    const { api, served, tokens } = this.#parts;
    const discovered = discovery(route.path, accept, server, served());
    if (discovered !== undefined) return { code: 200, ...discovered };
    if (/^\/(healthz|livez|readyz)(\/|$)/.test(route.path))
      return { code: 200, body: null, raw: Buffer.from("ok"), contentType: "text/plain; charset=utf-8" };
    if (route.path === "/openapi/v2" && accept.includes(protobufType)) {
      const contentType = protobufType.replace("@", ".");
      return { code: 200, body: null, raw: openApiProtobuf(), contentType };
    }
    const body = openApi(route.path, api.resources) ?? openId(route.path, tokens);
    if (body === undefined) throw noSuchResource();
    return { code: 200, body };
  }
}

function openId(path: string, tokens: Tokens): JsonObject | undefined {
  if (path === "/openid/v1/jwks") return tokens.keys();
  if (path !== "/.well-known/openid-configuration") return undefined;
  return {
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}
