// The CertificateSigningRequests of an API server in memory, with an authority that signs what a test approves.
import { webcrypto } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient, WatchOptions } from "../kube/client.ts";
import type { KubeObject, Stored } from "../kube/resource.ts";
import type { CertificateSigningRequest, CertificateSigningRequestStatus } from "../kube/types.gen.ts";
import { scriptedClient } from "./scripted-client.ts";

export type StoredRequest = Stored<CertificateSigningRequest>;

export interface Issue {
  /** Epoch milliseconds; default: an hour from now on. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Of the request that is signed instead; for answers that fit no key. */
  readonly insteadOf?: string;
  /** DNS names instead of those asked for. */
  readonly names?: readonly string[];
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export class MemorySigner {
  readonly requests: Map<string, StoredRequest> = new Map();
  /** Thrown by the next creations, one each. */
  readonly faults: VirtualKubeletError[] = [];
  /** All names ever given, in order. */
  readonly names: string[] = [];
  /** Watches under way. */
  watching = 0;
  #version = 0;
  readonly #watchers = new Set<() => void>();
  readonly #keys = webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

  readonly client: KubeClient = scriptedClient({
    create: (_of, object) => {
      const fault = this.faults.shift();
      if (fault !== undefined) return Promise.reject(fault);
      const name = `csr-${this.names.length + 1}`;
      this.names.push(name);
      this.#put(copy({ ...object, metadata: { ...object.metadata, name, uid: `uid-${name}`, resourceVersion: "" } }));
      return Promise.resolve(copy(this.#request(name)));
    },
    get: async (_of, { name }) => copy(this.#request(name)),
    list: () => Promise.reject(new VirtualKubeletError("Unsupported", "lists are streamed here")),
    watch: (_of, options = {}) => this.#watch(options),
  });

  async approve(name: string, { notBefore, notAfter, insteadOf = name, names }: Issue = {}): Promise<void> {
    const { request } = this.#request(insteadOf).spec;
    const csr = new x509.Pkcs10CertificateRequest(Buffer.from(request, "base64").toString("utf8"));
    const certificate = await x509.X509CertificateGenerator.create({
      subject: csr.subject,
      issuer: "CN=memory",
      notBefore: new Date(notBefore ?? Date.now()),
      notAfter: new Date(notAfter ?? Date.now() + 3_600_000),
      signingKey: (await this.#keys).privateKey,
      publicKey: csr.publicKey,
      signingAlgorithm: algorithm,
      extensions:
        names === undefined
          ? csr.extensions
          : [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value })))],
    });
    const encoded = Buffer.from(certificate.toString("pem")).toString("base64");
    this.#decide(name, { conditions: [{ type: "Approved", status: "True" }], certificate: encoded });
  }

  /** Approved, but not signed. */
  approveOnly(name: string): void {
    this.#decide(name, { conditions: [{ type: "Approved", status: "True" }] });
  }

  deny(name: string, message: string): void {
    this.#decide(name, { conditions: [{ type: "Denied", status: "True", reason: "Test", message }] });
  }

  fail(name: string, message: string): void {
    this.#decide(name, { conditions: [{ type: "Failed", status: "True", reason: "Test", message }] });
  }

  delete(name: string): void {
    this.requests.delete(name);
    this.#wake();
  }

  #decide(name: string, status: CertificateSigningRequestStatus): void {
    this.#put({ ...this.#request(name), status });
  }

  #put(object: StoredRequest): void {
    const { name } = object.metadata;
    this.#version += 1;
    this.requests.set(name, { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } });
    this.#wake();
  }

  #request(name: string): StoredRequest {
    const found = this.requests.get(name);
    if (found === undefined) throw new VirtualKubeletError("NotFound", name);
    return found;
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  async *#watch<E>({
    fieldSelector = "",
    sendInitialEvents,
    signal,
  }: Omit<WatchOptions<KubeObject>, "accept">): AsyncGenerator<E> {
    const name = fieldSelector.replace("metadata.name=", "");
    let news = Promise.withResolvers<void>();
    const wake = (): void => news.resolve();
    this.watching += 1;
    this.#watchers.add(wake);
    signal?.addEventListener("abort", wake);
    try {
      let last = this.requests.get(name);
      if (sendInitialEvents === true) {
        if (last !== undefined) yield copy<E>({ type: "ADDED", object: last });
        yield copy<E>({ type: "BOOKMARK", resourceVersion: String(this.#version), initialEventsEnd: true });
      }
      for (;;) {
        if (signal?.aborted === true) throw new VirtualKubeletError("Aborted", "aborted");
        const now = this.requests.get(name);
        if (now !== last) {
          const type = now === undefined ? "DELETED" : last === undefined ? "ADDED" : "MODIFIED";
          yield copy<E>({ type, object: now ?? last });
          last = now;
          continue;
        }
        await news.promise;
        news = Promise.withResolvers();
      }
    } finally {
      this.watching -= 1;
      this.#watchers.delete(wake);
      signal?.removeEventListener("abort", wake);
    }
  }
}

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<E>(value: unknown): E {
  const read: E = JSON.parse(JSON.stringify(value));
  return read;
}
