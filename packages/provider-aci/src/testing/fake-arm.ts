// A stateful fake of Azure Resource Manager's container instances over HTTPS on loopback, whose groups run on a GroupRunner. Every
// request and every answer is checked against the vendor's models.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, errorText, isErrorKind, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority, type GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import { type CloudEndpoints, clouds } from "../arm/clouds.ts";
import { FakeFaults, type FakeOperation, faultReply } from "./fake-faults.ts";
import type { FakePace } from "./fake-group.ts";
import { FakeGroups } from "./fake-groups.ts";
import { listen, textOf } from "./fake-http.ts";
import { FakeRefusal, type FakeReply } from "./fake-refusal.ts";
import { type FakeQuota, FakeRegion } from "./fake-region.ts";
import { type FakeRoute, routeOf } from "./fake-routes.ts";
import { FakeService } from "./fake-service.ts";
import { FakeSockets } from "./fake-sockets.ts";
import { type FakePrincipal, FakeTokens } from "./fake-tokens.ts";
import { type ApiVersion, apiVersions, type CheckedAs, modelFaults } from "./model-check.ts";

export interface FakeArmOptions {
  readonly runner: GroupRunner;
  /** Who may come; default one with a secret. */
  readonly principal?: FakePrincipal | undefined;
  /** Default one of "group". */
  readonly resourceGroups?: readonly string[] | undefined;
  /** Default: tens of milliseconds. */
  readonly pace?: Partial<FakePace> | undefined;
  readonly quota?: FakeQuota | undefined;
  /** Groups of a page of lists; default 50. */
  readonly pageSize?: number | undefined;
  /** Lines that are kept of a log; default 10 000. */
  readonly logLines?: number | undefined;
  /** Images that are not there are refused with the group, or waited for when containers start; the cloud does both. Default "atOnce". */
  readonly imagesChecked?: "atOnce" | "whenPulled" | undefined;
  readonly clock?: Clock | undefined;
}

const subscription = "00000000-0000-0000-0000-00000000000a";
const { audience } = clouds.AzurePublicCloud;
const defaultPace: FakePace = { acceptMs: 20, pullMs: 10, removeMs: 20, restartMs: 100, stopGraceMs: 1000 };

/** Bodies whose model is looked at, by operation. */
const requestModels: Partial<Readonly<Record<FakeOperation, string>>> = {
  create: "ContainerGroup",
  updateTags: "Resource",
  exec: "ContainerExecRequest",
};

export class FakeArm implements AsyncDisposable {
  readonly subscription: string = subscription;
  readonly location: string = "westeurope";
  /** PEM, for clients to trust. */
  readonly ca: string;
  readonly url: string;
  /** Of the metadata service: `http://127.0.0.1:port`. */
  readonly metadataUrl: string;
  readonly endpoints: CloudEndpoints;
  readonly faults: FakeFaults = new FakeFaults();
  readonly tokens: FakeTokens;
  readonly region: FakeRegion;
  readonly groups: FakeGroups;
  /** Calls by operation. */
  readonly calls: Map<FakeOperation, number> = new Map();
  /** What was wrong with requests or answers, and what went wrong in here: tests expect none. */
  readonly problems: string[] = [];
  readonly #service: FakeService;
  readonly #resourceGroups: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #sockets: FakeSockets = new FakeSockets();
  readonly #servers: readonly Server[];
  readonly #connections = new Set<Duplex>();

  /** On free ports of 127.0.0.1. */
  static async start(options: FakeArmOptions): Promise<FakeArm> {
    const authority = createAuthority("fake-arm-ca");
    const { certificate, key } = authority.issue({
      commonName: "fake-arm",
      ipAddresses: ["127.0.0.1"],
      dnsNames: ["localhost", "arm.test"],
    });
    const secure = createTlsServer({ cert: certificate, key });
    const plain = createServer();
    const ports = await Promise.all([secure, plain].map(listen));
    return new FakeArm(options, authority.certificate, secure, plain, ports);
  }

  private constructor(
    options: FakeArmOptions,
    ca: string,
    secure: ReturnType<typeof createTlsServer>,
    plain: ReturnType<typeof createServer>,
    [port = 0, plainPort = 0]: readonly number[],
  ) {
    const { clock = systemClock, runner, quota = { groups: 5000, cores: 10_000 } } = options;
    this.#clock = clock;
    this.ca = ca;
    this.url = `https://127.0.0.1:${port}`;
    this.metadataUrl = `http://127.0.0.1:${plainPort}`;
    this.endpoints = { resourceManager: this.url, audience, authority: this.url };
    this.#resourceGroups = new Set((options.resourceGroups ?? ["group"]).map((name) => name.toLowerCase()));
    const withSecret = { tenantId: "tenant", clientId: "client", secret: "the-client-secret" };
    this.tokens = new FakeTokens(clock, options.principal ?? withSecret);
    this.region = new FakeRegion(this.location, quota, clock);
    const onFault = (text: string): void => void this.problems.push(text);
    const pace = { ...defaultPace, ...options.pace };
    this.groups = new FakeGroups({
      runner,
      region: this.region,
      pace,
      clock,
      url: this.url,
      subscription,
      onFault,
      imagesChecked: options.imagesChecked ?? "atOnce",
    });
    this.#service = new FakeService({
      ...{ groups: this.groups, region: this.region, sockets: this.#sockets },
      ...{ pageSize: options.pageSize ?? 50, logLines: options.logLines ?? 10_000 },
    });
    this.#servers = [secure, plain];
    // Clients decide how long a connection is kept: none is closed while a call is on its way.
    secure.keepAliveTimeout = 0;
    plain.keepAliveTimeout = 0;
    for (const server of this.#servers)
      server.on("connection", (socket: Duplex) => {
        this.#connections.add(socket);
        socket.on("close", () => this.#connections.delete(socket));
      });
    secure.on(
      "request",
      (request, response) => void this.#serve(request, response, (body) => this.#answer(request, body)),
    );
    secure.on("upgrade", (request, socket, head) => {
      if (this.faults.isDown) socket.destroy();
      else this.#sockets.upgrade(request, socket, head);
    });
    plain.on(
      "request",
      (request, response) =>
        void this.#serve(request, response, async () =>
          this.tokens.metadata(new URL(request.url ?? "", this.metadataUrl), request.headers),
        ),
    );
  }

  /** Exec and attach sessions that are open. */
  get sessions(): number {
    return this.#sockets.open;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.map((server) => server[Symbol.asyncDispose]());
    // The last goes first, and each goes whatever becomes of the others.
    await using parts = new AsyncDisposableStack();
    parts.defer(() => Promise.all(closed).then(() => {}));
    parts.use(this.groups);
    parts.use(this.#sockets);
    for (const socket of this.#connections) socket.destroy();
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (body: string) => Promise<FakeReply | "lost">,
  ): Promise<void> {
    // Who goes while still asking has asked nothing.
    const body = await textOf(request).catch(() => undefined);
    if (body === undefined) return;
    try {
      const reply = this.faults.isDown ? "lost" : await answer(body);
      if (reply === "lost") {
        request.socket.destroy();
        return;
      }
      const text =
        reply.body === undefined ? "" : typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body);
      response.writeHead(reply.status, {
        "content-type": typeof reply.body === "string" ? "text/plain" : "application/json",
        "x-ms-request-id": "fake",
        ...reply.headers,
      });
      response.end(text);
    } catch (error) {
      this.problems.push(errorText(error));
      request.socket.destroy();
    }
  }

  async #answer(request: IncomingMessage, text: string): Promise<FakeReply | "lost"> {
    const url = new URL(request.url ?? "", this.url);
    const login = /^\/([^/]+)\/(oauth2\/v2\.0\/token|v2\.0\/\.well-known\/openid-configuration)$/.exec(url.pathname);
    const route = routeOf(request.method ?? "", url.pathname);
    const operation = login === null ? (route?.operation ?? "unknown") : "token";
    this.calls.set(operation, (this.calls.get(operation) ?? 0) + 1);
    const fault = this.faults.take(operation);
    if (fault?.answer !== undefined) return faultReply(fault.answer);
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
    try {
      if (login !== null) return this.tokens.login(login[1] ?? "", url, new URLSearchParams(text));
      this.tokens.check(request.headers.authorization, audience);
      const wait = this.faults.throttled(operation, this.#clock.now());
      if (wait !== undefined)
        throw new FakeRefusal(429, "TooManyRequests", "Too many requests.", { "retry-after": String(wait) });
      if (route === undefined) throw new FakeRefusal(404, "InvalidResourceType", `No resource at ${url.pathname}.`);
      const version = this.#checkScope(route, url);
      const body = this.#checkedBody(route, request, text, version);
      const reply = await this.#service.do(route, request.method ?? "", request.headers.host ?? "", url, body);
      this.#check(reply.body, reply.model, version, "answer", operation);
      return fault?.loseAnswer === true ? "lost" : reply;
    } catch (error) {
      if (error instanceof FakeRefusal) return error.reply;
      // The runner's: it was removed while it was looked at.
      if (isErrorKind(error, "NotFound")) return new FakeRefusal(404, "ContainerNotFound", errorText(error)).reply;
      throw error;
    }
  }

  #checkScope(route: FakeRoute, url: URL): ApiVersion {
    if (route.subscription !== subscription)
      throw new FakeRefusal(
        404,
        "SubscriptionNotFound",
        `The subscription '${route.subscription}' could not be found.`,
      );
    if (route.resourceGroup !== "" && !this.#resourceGroups.has(route.resourceGroup.toLowerCase()))
      throw new FakeRefusal(
        404,
        "ResourceGroupNotFound",
        `Resource group '${route.resourceGroup}' could not be found.`,
      );
    const given = url.searchParams.get("api-version");
    const version = apiVersions.find((each) => each === given);
    if (given === null)
      throw new FakeRefusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.");
    if (version === undefined && route.checksVersion)
      throw new FakeRefusal(400, "InvalidResourceType", `The api-version '${given}' is not supported.`);
    return version ?? "2025-09-01";
  }

  #checkedBody(route: FakeRoute, request: IncomingMessage, text: string, version: ApiVersion): unknown {
    if (text === "") return undefined;
    if (!/^application\/json/.test(request.headers["content-type"] ?? ""))
      throw new FakeRefusal(415, "UnsupportedMediaType", "The body must be JSON.");
    const body: unknown = JSON.parse(text);
    const faults = this.#check(body, requestModels[route.operation], version, "request", route.operation);
    if (faults.length > 0) throw new FakeRefusal(400, "InvalidRequestContent", faults.join("; "));
    return body;
  }

  #check(
    value: unknown,
    model: string | undefined,
    version: ApiVersion,
    direction: CheckedAs["direction"],
    operation: string,
  ): readonly string[] {
    if (model === undefined) return [];
    const faults = modelFaults(value, { model, version, direction });
    this.problems.push(...faults.map((fault) => `${direction} of ${operation}: ${fault}`));
    return faults;
  }
}
