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
import { ResourceMetrics, type Scrape } from "./resource-metrics.ts";
import { review } from "./reviews.ts";
import type { Route } from "./route.ts";
import { isPart, subresource } from "./subresources.ts";
import { issuer, type Tokens } from "./tokens.ts";
import { create, patch, remove, removeCollection, update } from "./writing.ts";

export interface HandledAnswer extends Answer {
  readonly contentType?: string | undefined;
  /** Instead of the body. */
  readonly raw?: Buffer;
}

/** What is no stream: see `watch` and the kubelet proxy for these. */
export class Handler {
  readonly #api: Api;
  readonly #authorizer: Authorizer;
  readonly #tokens: Tokens;
  readonly #reading: Reading;
  readonly #metrics: ResourceMetrics;
  readonly #served: () => readonly Resource[];

  constructor(parts: {
    readonly api: Api;
    /** What discovery lists: here and elsewhere. */
    readonly served: () => readonly Resource[];
    readonly authorizer: Authorizer;
    readonly tokens: Tokens;
    readonly scrape: Scrape;
  }) {
    this.#api = parts.api;
    this.#authorizer = parts.authorizer;
    this.#tokens = parts.tokens;
    this.#served = parts.served;
    this.#reading = new Reading(parts.api);
    this.#metrics = new ResourceMetrics(parts.api, parts.scrape);
  }

  /** Throws ApiError. */
  async answer(call: Call, server: string): Promise<HandledAnswer> {
    const { route } = call;
    const { resource } = route;
    if (resource === undefined) return this.#ofPath(call, server);
    if (route.subresource !== "" && route.sub === undefined) throw noSuchResource();
    const about: ResourceCall = { ...call, resource };
    if (resource.group === metricsGroup) {
      if (route.verb !== "get" && route.verb !== "list") throw methodNotAllowed();
      return { code: 200, body: await this.#metrics.answer(about) };
    }
    if (resource.kind === "CustomResourceDefinition" && !["get", "list"].includes(route.verb))
      throw notHere("there are no custom resources, only the built-in ones");
    const verbs = route.sub?.verbs ?? resource.verbs;
    if (!verbs.includes(route.verb)) throw methodNotAllowed();
    if (route.verb === "create") {
      const context = { authorizer: this.#authorizer, tokens: this.#tokens, now: this.#api.now };
      const reviewed = await review(context, about);
      if (reviewed !== undefined) return reviewed;
    }
    const special = await subresource({ api: this.#api, tokens: this.#tokens }, about);
    if (special !== undefined) return special;
    if (route.subresource !== "" && !isPart(about)) throw notHere(`${resource.name}/${route.subresource}`);
    return this.#ofObject(about);
  }

  async #ofObject(call: ResourceCall): Promise<Answer> {
    switch (call.route.verb) {
      case "get":
        return { code: 200, body: this.#reading.get(call) };
      case "list":
        return { code: 200, body: this.#reading.list(call) };
      case "create":
        return create(this.#api, call);
      case "update":
        return update(this.#api, call);
      case "patch":
        return patch(this.#api, call);
      case "delete":
        return remove(this.#api, call);
      case "deletecollection":
        return removeCollection(this.#api, this.#reading, call);
      default:
        throw methodNotAllowed();
    }
  }

  #ofPath({ route, accept }: Call, server: string): HandledAnswer {
    if (route.verb !== "get" && route.verb !== "head") throw noSuchResource();
    const discovered = discovery(route.path, accept, server, this.#served());
    if (discovered !== undefined) return { code: 200, ...discovered };
    if (route.path === "/openapi/v2" && accept.includes(protobufType)) {
      return {
        code: 200,
        body: null,
        raw: openApiProtobuf(this.#api.resources),
        contentType: protobufType.replace("@", "."),
      };
    }
    const document = route.path.startsWith("/openapi/")
      ? openApi(route.path, this.#api.resources)
      : wellKnown(route, this.#tokens);
    if (document !== undefined) return { code: 200, body: document };
    throw noSuchResource();
  }
}

function wellKnown(route: Route, tokens: Tokens): JsonObject | undefined {
  if (route.path === "/openid/v1/jwks") return tokens.keys();
  if (route.path !== "/.well-known/openid-configuration") return undefined;
  return {
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}
