// A stateful fake of a region of Elastic Container Instance over HTTP and HTTPS on loopback, whose groups run on a GroupRunner. Signatures
// are checked; parameters and answers are compared with the models of the vendor's SDK.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, errorText, isErrorKind, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority, type GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import { AcsSignatures, type FakeKeys } from "./acs-signature.ts";
import { FakeExec } from "./fake-exec.ts";
import { FakeFaults } from "./fake-faults.ts";
import type { FakePace } from "./fake-group.ts";
import { FakeGroups, type FakeQuota } from "./fake-groups.ts";
import { FakeRefusal, noGroup, refusalBody, requestId } from "./fake-refusal.ts";
import { FakeService } from "./fake-service.ts";
import { answerFaults, checkedParameters } from "./model-check.ts";
import { nestedParameters } from "./rpc-parameters.ts";

export interface FakeEciOptions {
  readonly runner: GroupRunner;
  /** Default "cn-hangzhou". */
  readonly region?: string | undefined;
  /** Default: tens of milliseconds. */
  readonly pace?: Partial<FakePace> | undefined;
  readonly quota?: FakeQuota | undefined;
  /** Groups of a page of the detailed list; default 20, which is the most. */
  readonly pageSize?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface FakeCall {
  readonly action: string;
  /** "ok", the code of the refusal, or "lost". */
  readonly outcome: string;
  /** Of the request's line. */
  readonly urlLength: number;
}

const version = "2018-08-08";
const defaultPace: FakePace = { scheduleMs: 20, pullMs: 10, removeMs: 20, updateMs: 20, restartMs: 100 };
/** Beyond it a gateway does not take the request line. */
const longestUrl = 16 * 1024;

export class FakeEci implements AsyncDisposable {
  readonly region: string;
  /** PEM, for clients to trust. */
  readonly ca: string;
  /** `https://127.0.0.1:port`. */
  readonly url: string;
  /** `http://127.0.0.1:port`: the same service. */
  readonly plainUrl: string;
  /** What signs requests. Tests change it. */
  readonly keys: FakeKeys[] = [{ accessKeyId: "LTAIfake", accessKeySecret: "fake-secret" }];
  readonly faults: FakeFaults = new FakeFaults();
  readonly groups: FakeGroups;
  readonly exec: FakeExec;
  readonly calls: FakeCall[] = [];
  /** What was wrong with requests or answers, and what went wrong in here: tests expect none. */
  readonly problems: string[] = [];
  readonly #clock: Clock;
  readonly #signatures: AcsSignatures = new AcsSignatures(this.keys);
  readonly #service: FakeService;
  readonly #servers: readonly Server[];
  readonly #connections = new Set<Duplex>();

  /** On free ports of 127.0.0.1. */
  static async start(options: FakeEciOptions): Promise<FakeEci> {
    const authority = createAuthority("fake-eci-ca");
    const { certificate, key } = authority.issue({
      commonName: "fake-eci",
      ipAddresses: ["127.0.0.1"],
      dnsNames: ["localhost"],
    });
    const maxHeaderSize = 1024 ** 2;
    const secure = createTlsServer({ cert: certificate, key, maxHeaderSize });
    const plain = createServer({ maxHeaderSize });
    const ports = await Promise.all([secure, plain].map(listen));
    return new FakeEci(options, authority.certificate, [secure, plain], ports);
  }

  private constructor(
    options: FakeEciOptions,
    ca: string,
    servers: readonly ReturnType<typeof createServer>[],
    [securePort = 0, plainPort = 0]: readonly number[],
  ) {
    const { runner, region = "cn-hangzhou", quota = { groups: 5000, cores: 10_000 }, pageSize = 20 } = options;
    this.#clock = options.clock ?? systemClock;
    this.region = region;
    this.ca = ca;
    this.url = `https://127.0.0.1:${securePort}`;
    this.plainUrl = `http://127.0.0.1:${plainPort}`;
    const { faults } = this;
    const clock = this.#clock;
    const pace = { ...defaultPace, ...options.pace };
    const onFault = (text: string): void => void this.problems.push(text);
    this.groups = new FakeGroups({ runner, pace, clock, quota, faults, onFault });
    this.exec = new FakeExec(clock);
    this.#service = new FakeService({ region, quota, clock, faults, pageSize, groups: this.groups, exec: this.exec });
    this.#servers = servers;
    for (const [index, server] of servers.entries()) {
      const base = (index === 0 ? this.url : this.plainUrl).replace(/^http/, "ws");
      // Clients decide how long a connection is kept: none is closed while a call is on its way.
      server.keepAliveTimeout = 0;
      server.on("connection", (socket: Duplex) => {
        this.#connections.add(socket);
        socket.on("close", () => this.#connections.delete(socket));
      });
      server.on("request", (request, response) => void this.#serve(request, response, base));
      server.on("upgrade", (request, socket, head) => {
        if (faults.down) socket.destroy();
        else this.exec.upgrade(request, socket, head);
      });
    }
  }

  /** How many calls were answered well, by action. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { action, outcome } of this.calls) if (outcome === "ok") counts[action] = (counts[action] ?? 0) + 1;
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.map((server) => server[Symbol.asyncDispose]());
    // The last goes first, and each goes whatever becomes of the others.
    await using parts = new AsyncDisposableStack();
    parts.defer(() => Promise.all(closed).then(() => {}));
    parts.use(this.groups);
    parts.use(this.exec);
    for (const socket of this.#connections) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse, webSocketBase: string): Promise<void> {
    const header = request.headers["x-acs-action"];
    const action = typeof header === "string" ? header : "";
    const note = (outcome: string): void =>
      void this.calls.push({ action, outcome, urlLength: request.url?.length ?? 0 });
    // Who goes while still asking has asked nothing.
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    try {
      if (this.faults.down) {
        request.socket.destroy();
        return;
      }
      const fault = this.faults.take(action);
      if (fault?.text !== undefined) {
        note("text");
        response.writeHead(fault.text.status ?? 502, { "content-type": "text/html" }).end(fault.text.body);
        return;
      }
      if (fault?.delayMs !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
      if (fault?.answer !== undefined)
        throw new FakeRefusal(fault.answer.status, fault.answer.code, fault.answer.message ?? fault.answer.code);
      const answer = await this.#answer(action, request, body, webSocketBase);
      if (this.faults.down || fault?.loseAnswer === true) {
        note("lost");
        request.socket.destroy();
        return;
      }
      note("ok");
      respond(response, 200, answer);
    } catch (error) {
      // The runner's: it was removed while it was looked at.
      const refusal = isErrorKind(error, "NotFound") ? noGroup(errorText(error)) : error;
      if (refusal instanceof FakeRefusal) {
        note(refusal.code);
        respond(response, refusal.status, refusalBody(refusal, request.headers.host ?? ""));
      } else {
        this.problems.push(`${action}: ${errorText(error)}`);
        request.socket.destroy();
      }
    }
  }

  async #answer(action: string, request: IncomingMessage, body: Buffer, webSocketBase: string): Promise<object> {
    const { method = "", url = "/", headers } = request;
    if (url.length > longestUrl) throw new FakeRefusal(414, "RequestURITooLarge", "The request line is too long.");
    const now = this.#clock.now();
    this.#signatures.check({ method, url, headers, body }, now);
    const work = this.#service.actions[action];
    if (headers["x-acs-version"] !== version || work === undefined)
      throw new FakeRefusal(
        404,
        "InvalidApi.NotFound",
        "Specified api is not found, please check your url and method.",
      );
    this.faults.check(action, now);
    const parameters = this.#parameters(action, request, body);
    const answer = { RequestId: requestId(), ...(await work(parameters, webSocketBase)) };
    const faults = answerFaults(answer, `${action}ResponseBody`);
    this.problems.push(...faults.map((fault) => `answer of ${action}: ${fault}`));
    return answer;
  }

  #parameters(action: string, { url = "/", headers }: IncomingMessage, body: Buffer): unknown {
    const { searchParams } = new URL(url, this.url);
    const isForm = /^application\/x-www-form-urlencoded/.test(headers["content-type"] ?? "");
    if (body.length > 0 && !isForm)
      throw new FakeRefusal(415, "UnsupportedContentType", `${headers["content-type"]} is no form.`);
    const nested = nestedParameters([searchParams, new URLSearchParams(body.toString())]);
    const checked = checkedParameters(nested.value, `${action}Request`);
    const faults = [...nested.faults, ...checked.faults];
    this.problems.push(...faults.map((fault) => `request of ${action}: ${fault}`));
    if (faults.length > 0) throw new FakeRefusal(400, "InvalidParameter", faults.join("; "));
    const { RegionId } = nested.value;
    if (RegionId === undefined) throw new FakeRefusal(400, "MissingRegionId", "RegionId is mandatory for this action.");
    if (RegionId !== this.region)
      throw new FakeRefusal(404, "InvalidRegionId.NotFound", `The region ${String(RegionId)} is not here.`);
    return checked.value;
  }
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json;charset=utf-8" });
  response.end(JSON.stringify(body));
}

async function listen(server: Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}
