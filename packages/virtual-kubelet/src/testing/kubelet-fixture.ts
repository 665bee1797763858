// A kubelet server over real TLS sockets with fakes behind it: callers by token, access by user, pods in memory.

import { X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2, type SecureClientSessionOptions } from "node:http2";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";

import { createMetrics, type Metrics } from "../metrics.ts";
import type { PodReport } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";
import type { AccessAttributes, Authenticator, Authorizer } from "../server/access.ts";
import type { Renewed, ServingCertificate } from "../server/certificate-source.ts";
import { KubeletServer } from "../server/kubelet-server.ts";
import type { BoundAddress, KubeletServerOptions } from "../server/kubelet-server-options.ts";
import type { ServedNode } from "../server/served-node.ts";
import { LogRecorder } from "./log-recorder.ts";
import { type CertificateAuthority, createAuthority } from "./pki.ts";

/** A value that tests change. */
export class Changing<T> implements Renewed<T> {
  #value: T;
  readonly #told = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  current(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const changed of this.#told) changed();
  }

  subscribe(changed: () => void): () => void {
    this.#told.add(changed);
    return () => this.#told.delete(changed);
  }

  async run(): Promise<void> {}
}

/** A pod with one running container `app`. */
export function runningPod(name: string, changes: Partial<Pod> = {}): Stored<Pod> {
  const { metadata, ...rest } = changes;
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...metadata,
    },
    spec: { nodeName: "node-a", containers: [{ name: "app", image: "app:1" }] },
    status: {
      phase: "Running",
      containerStatuses: [
        {
          name: "app",
          image: "app:1",
          imageID: "",
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
        },
      ],
    },
    ...rest,
  };
}

export class FakeNode implements ServedNode {
  readonly name: string;
  readonly provider: Provider;
  readonly all: Map<string, Stored<Pod>> = new Map();

  constructor(name: string, provider: Partial<Provider> = {}, pods: readonly Stored<Pod>[] = [runningPod("web")]) {
    this.name = name;
    for (const pod of pods) this.put(pod);
    this.provider = {
      createPod: async () => {},
      deletePod: async () => {},
      getPodStatus: async (owner) => ({ owner, containers: [] }),
      getPods: async () => this.pods().map((pod) => this.report(pod)),
      ...provider,
    };
  }

  put(pod: Stored<Pod>): void {
    this.all.set(`${pod.metadata.namespace}/${pod.metadata.name}`, pod);
  }

  pods(): readonly Stored<Pod>[] {
    return [...this.all.values()];
  }

  find(namespace: string, name: string): Stored<Pod> | undefined {
    return this.all.get(`${namespace}/${name}`);
  }

  ownerOf({ metadata: { namespace = "", name, uid } }: Stored<Pod>): PodReport["owner"] {
    return { cluster: "cluster", node: this.name, namespace, name, uid };
  }

  report(pod: Stored<Pod>): PodReport {
    const containers = (pod.status?.containerStatuses ?? []).map(({ name, image, state = {} }) => ({
      name,
      image,
      state,
    }));
    return { owner: this.ownerOf(pod), containers };
  }
}

/** Knows `Bearer <user>` for any user that does not begin with "no", and the CN of client certificates. */
export const nameAuthenticator: Authenticator = {
  async authenticate({ authorization, verifiedCertificate }) {
    if (verifiedCertificate !== undefined) {
      const [, name = ""] = /CN=(.*)/.exec(new X509Certificate(verifiedCertificate).subject) ?? [];
      return { username: name, groups: [] };
    }
    const [, token = ""] = /^Bearer (.+)$/.exec(authorization ?? "") ?? [];
    return token === "" || token.startsWith("no") ? undefined : { username: token, groups: ["testers"] };
  },
};

/** `admin` may do everything; `only-<node>` may on that node; nobody else may. Keeps what it was asked. */
export class NameAuthorizer implements Authorizer {
  readonly asked: AccessAttributes[] = [];

  async authorize(user: { readonly username: string }, attributes: AccessAttributes): Promise<{ allowed: boolean }> {
    this.asked.push(attributes);
    return { allowed: user.username === "admin" || user.username === `only-${attributes.node}` };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface KubeletFixture extends AsyncDisposable {
  readonly server: KubeletServer;
  readonly bound: ReadonlyMap<string, BoundAddress>;
  readonly ca: CertificateAuthority;
  readonly serving: Changing<ServingCertificate>;
  readonly authorizer: NameAuthorizer;
  readonly log: LogRecorder;
  readonly metrics: Metrics;
  port(node?: string): number;
  /** Over HTTP/1.1, as `user` (a token; undefined: none). */
  get(path: string, user?: string, options?: RequestOptions): Promise<Answer>;
  tls(options?: object, node?: string): Promise<TLSSocket>;
  http2(options?: SecureClientSessionOptions): ClientHttp2Session;
  /** As the signal would; resolves when the server has ended. */
  stop(): Promise<void>;
}

export async function startKubelet(
  nodes: readonly FakeNode[],
  changes: Partial<Omit<KubeletServerOptions, "log" | "metrics">> = {},
): Promise<KubeletFixture> {
  const ca = createAuthority("ca of the kubelet");
  const issued = ca.issue({
    commonName: "kubelet",
    ipAddresses: ["127.0.0.1"],
    dnsNames: nodes.map(({ name }) => name),
  });
  const serving = new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  const authorizer = new NameAuthorizer();
  const log = new LogRecorder();
  const metrics = createMetrics();
  const server = new KubeletServer({
    nodes: nodes.map((node) => ({ node, host: "127.0.0.1", port: 0 })),
    certificate: serving,
    authenticator: nameAuthenticator,
    authorizer,
    handlers: {},
    ...changes,
    log,
    metrics,
  });
  const end = new AbortController();
  const running = server.run(end.signal);
  // run() says so, too, when an address cannot be had.
  const [bound] = await Promise.all([server.listening, Promise.race([running, server.listening])]);
  const port = (node?: string): number => bound.get(node ?? nodes[0]?.name ?? "")?.port ?? 0;
  const stop = async (): Promise<void> => {
    end.abort();
    await running;
  };
  return {
    server,
    bound,
    ca,
    serving,
    authorizer,
    log,
    metrics,
    port,
    get: (path, user, options = {}) =>
      answerOf({ host: "127.0.0.1", port: port(), ca: ca.certificate, path, agent: false, ...options }, user),
    tls: (options = {}, node) => {
      const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
      const socket = connectTls({ host: "127.0.0.1", port: port(node), ca: ca.certificate, ...options }, () =>
        resolve(socket),
      );
      socket.once("error", reject);
      return promise;
    },
    http2: (options = {}) => {
      const session = connectHttp2(`https://127.0.0.1:${port()}`, { ca: ca.certificate, ...options });
      session.on("error", () => undefined);
      return session;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function answerOf(options: RequestOptions, user: string | undefined): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { ...(user !== undefined && { Authorization: `Bearer ${user}` }), ...Object(options.headers) };
  const request = httpsRequest({ ...options, headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("end", () => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() });
    });
  });
  request.once("error", reject);
  request.end();
  return promise;
}
