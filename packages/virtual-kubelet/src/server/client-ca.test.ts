import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { createAuthority } from "../testing/pki.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { bundleFault } from "./ca-bundle.ts";
import { ClientCaConfigMap } from "./client-ca-config-map.ts";
import { ClientCaFile } from "./client-ca-file.ts";
import { available } from "./renewed-value.ts";

const [one, two] = [createAuthority("one").certificate, createAuthority("two").certificate];

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "client-ca-"));
});
after(() => rm(root, { recursive: true, force: true }));

describe("a bundle of authorities", () => {
  for (const [text, fault] of [
    [one, undefined],
    [`# comment\n${one}\n\n${two}`, undefined],
    [`${one}${two}`.replaceAll("\n", "\r\n"), undefined],
    ["", /no certificate$/],
    ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", /no certificate$/],
    [one.slice(0, -30), /cut off/],
    [`${one}${two.slice(0, 100)}`, /cut off/],
    [`${one}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, /number 2 of 2/],
  ] as const)
    it(`${fault === undefined ? "is one" : `is none: ${fault}`}: ${JSON.stringify(text.slice(0, 20))} ... of ${text.length}`, () => {
      const found = bundleFault(text);
      if (fault === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", fault);
    });
});

describe("a client CA file", () => {
  it("is read again when it changes, and kept while it is broken", async () => {
    const file = join(root, "ca.crt");
    await writeFile(file, one);
    const clock = new FakeClock();
    const log = new LogRecorder();
    const source = await ClientCaFile.open({ file, log, clock });
    const end = new AbortController();
    const running = source.run(end.signal);
    const look = async (): Promise<void> => {
      for (let looks = 0; looks < 2; looks++) {
        await eventually(() => clock.pending > 0, "the next look is planned");
        await clock.advance(5000);
      }
      await eventually(() => clock.pending > 0, "the next look is planned");
    };
    let changes = 0;
    source.subscribe(() => changes++);
    await look();
    assert.equal(changes, 0);
    await writeFile(file, one + two);
    await look();
    assert.deepEqual([source.current(), changes], [one + two, 1]);
    await writeFile(file, two.slice(0, 100));
    await look();
    assert.deepEqual([source.current(), changes], [one + two, 1]);
    assert.equal(log.count(/keeping the last one/, "warn"), 1);
    await writeFile(file, two);
    await look();
    assert.deepEqual([source.current(), changes], [two, 2]);
    end.abort();
    await running;
  });

  it("has to hold certificates at the start", async () => {
    const file = join(root, "wrong.crt");
    const open = (): Promise<unknown> => ClientCaFile.open({ file, log: new LogRecorder() });
    await assert.rejects(open(), { kind: "Invalid", message: /cannot be read: ENOENT/ });
    await writeFile(file, "hello");
    await assert.rejects(open(), { kind: "Invalid", message: /holds no certificate/ });
  });
});

/** The API server's ConfigMap, or what it answers instead. */
class ConfigMapServer {
  answer: Readonly<Record<string, string>> | undefined | VirtualKubeletError;
  requests = 0;
  watches = 0;
  #version = 1;
  #news = Promise.withResolvers<void>();

  set(answer: Readonly<Record<string, string>> | undefined): void {
    this.answer = answer;
    this.#version += 1;
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  readonly client = scriptedClient({
    get: async <E>() => {
      this.requests += 1;
      const found = this.#object();
      if (found === undefined) throw new VirtualKubeletError("NotFound", "none");
      return copy<E>(found);
    },
    watch: <E>(_of: unknown, { signal, fieldSelector, namespace }: WatchAsked = {}) => {
      assert.equal(fieldSelector, "metadata.name=extension-apiserver-authentication");
      assert.equal(namespace, "kube-system");
      return this.#watch<E>(signal);
    },
  });

  #object(): object | undefined {
    if (this.answer instanceof VirtualKubeletError) throw this.answer;
    if (this.answer === undefined) return undefined;
    const metadata = { namespace: "kube-system", name: "extension-apiserver-authentication", uid: "u" };
    return { metadata: { ...metadata, resourceVersion: String(this.#version) }, data: this.answer };
  }

  async *#watch<E>(signal: AbortSignal | undefined): AsyncGenerator<E> {
    this.watches += 1;
    const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
    let last = this.#object();
    if (last !== undefined) yield copy<E>({ type: "ADDED", object: last });
    yield copy<E>({ type: "BOOKMARK", resourceVersion: String(this.#version), initialEventsEnd: true });
    while (signal?.aborted !== true) {
      const news = this.#news.promise;
      const now = this.#object();
      if (JSON.stringify(now) === JSON.stringify(last)) {
        await Promise.race([news, aborted]);
        continue;
      }
      const type = now === undefined ? "DELETED" : last === undefined ? "ADDED" : "MODIFIED";
      yield copy<E>({ type, object: now ?? last });
      last = now;
    }
    throw new VirtualKubeletError("Aborted", "aborted");
  }
}

interface WatchAsked {
  readonly signal?: AbortSignal | undefined;
  readonly fieldSelector?: string | undefined;
  readonly namespace?: string | undefined;
}

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<E>(value: unknown): E {
  const read: E = JSON.parse(JSON.stringify(value));
  return read;
}

describe("the client CA of the cluster", () => {
  const begin = (answer: ConfigMapServer["answer"]) => {
    const server = new ConfigMapServer();
    server.answer = answer;
    const log = new LogRecorder();
    const clock = new FakeClock();
    const source = new ClientCaConfigMap({ client: server.client, log, clock, random: () => 0 });
    const end = new AbortController();
    const running = source.run(end.signal);
    return {
      server,
      log,
      clock,
      source,
      async [Symbol.asyncDispose]() {
        end.abort();
        await running;
      },
    };
  };
  const none = { kind: "Unavailable" };

  it("follows the ConfigMap, keeps what works, and is none when that is gone", async () => {
    await using trial = begin({ "client-ca-file": one });
    const { server, source, log } = trial;
    assert.equal(await available(source, AbortSignal.timeout(60_000)), one);
    await eventually(() => server.watches === 1, "watched");
    server.set({ "client-ca-file": one + two });
    await eventually(() => source.current() === one + two, "replaced");
    server.set({ "client-ca-file": "broken" });
    await eventually(() => log.count(/holds no certificate/, "warn") === 1, "told");
    assert.equal(source.current(), one + two);
    server.set({ "requestheader-client-ca-file": two });
    await eventually(() => log.count(/not accepted/, "warn") === 1, "told");
    assert.throws(() => source.current(), { ...none, message: /has no client-ca-file/ });
    server.set({ "client-ca-file": two });
    assert.equal(await available(source, AbortSignal.timeout(60_000)), two);
    server.set(undefined);
    await eventually(() => log.count(/not accepted/, "warn") === 2, "told");
    assert.throws(() => source.current(), { ...none, message: /was deleted/ });
  });

  it("is none without permission, says what to grant once, and is tried again", async () => {
    await using trial = begin(new VirtualKubeletError("Forbidden", "may not get configmaps"));
    const { server, source, log, clock } = trial;
    await eventually(() => clock.pending > 0, "waits");
    const said = /set --client-ca-file, or bind the Role extension-apiserver-authentication-reader in kube-system/;
    assert.equal(log.count(said, "warn"), 1);
    assert.throws(() => source.current(), { ...none, message: /may not get configmaps/ });
    await clock.advance(300_000);
    assert.equal(server.requests, 2);
    assert.equal(log.count(said), 1);
    server.answer = { "client-ca-file": one };
    await clock.advance(299_999);
    assert.throws(() => source.current(), none);
    await clock.advance(1);
    assert.equal(await available(source, AbortSignal.timeout(60_000)), one);
  });

  it("is waited for while the API server is away or has none yet", async () => {
    await using trial = begin(new VirtualKubeletError("Unavailable", "away"));
    const { server, source, log, clock } = trial;
    await eventually(() => clock.pending > 0, "waits");
    server.answer = undefined;
    await clock.advance(10_000);
    await eventually(() => server.watches === 1, "watched");
    assert.throws(() => source.current(), { ...none, message: /there is no ConfigMap/ });
    assert.equal(log.count(/until the client CA could be read/, "warn"), 1);
    server.set({ "client-ca-file": one });
    assert.equal(await available(source, AbortSignal.timeout(60_000)), one);
  });
});
