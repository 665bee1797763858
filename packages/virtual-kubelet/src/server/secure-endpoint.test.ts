import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";
import { Changing, FakeNode, startKubelet } from "../testing/kubelet-fixture.ts";
import { createAuthority } from "../testing/pki.ts";
import { ask, request } from "../testing/raw-http.ts";
import { TokenServer } from "../testing/scripted-reviews.ts";
import { createAuthenticator } from "./authentication.ts";
import type { ServingCertificate } from "./certificate-source.ts";

test("TLS: nothing older than 1.2, modern suites alone", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const modern = await kubelet.tls();
  assert.equal(modern.getProtocol(), "TLSv1.3");
  modern.destroy();
  const older = await kubelet.tls({ maxVersion: "TLSv1.2" });
  assert.match(older.getCipher().name, /^ECDHE-.*(GCM|POLY1305)/);
  older.destroy();
  await assert.rejects(kubelet.tls({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }));
  await assert.rejects(kubelet.tls({ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" }));
  await assert.rejects(kubelet.tls({ maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" }));
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const)
  test(`${maxVersion}: no session is taken up again`, async () => {
    const authority = createAuthority("clients");
    await using kubelet = await startKubelet([new FakeNode("node-a")], {
      clientCA: new Changing(authority.certificate),
    });
    const admin = authority.issue({ commonName: "admin", usages: ["client"] });
    const options = { cert: admin.certificate, key: admin.key, maxVersion };
    const first = await kubelet.tls(options);
    let session = first.getSession();
    first.on("session", (newest) => {
      session = newest;
    });
    assert.match(await ask(first, request("/healthz")), /^HTTP\/1.1 200 /);
    const second = await kubelet.tls({ ...options, session });
    assert.equal(second.isSessionReused(), false);
    assert.match(await ask(second, request("/healthz")), /^HTTP\/1.1 200 /);
    first.destroy();
    second.destroy();
  });

test("the serving certificate changes; connections and what cannot be read are left alone", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const before = await kubelet.tls();
  const next = kubelet.ca.issue({ commonName: "next", ipAddresses: ["127.0.0.1"] });
  kubelet.serving.set({ cert: next.certificate, key: next.key });
  const after = await kubelet.tls();
  assert.equal(after.getPeerCertificate().subject.CN, "next");
  assert.match(await ask(before, request("/healthz", "admin")), /^HTTP\/1.1 200 /);
  kubelet.serving.set({ cert: "no certificate", key: "no key" });
  const still = await kubelet.tls();
  assert.equal(still.getPeerCertificate().subject.CN, "next");
  for (const socket of [before, after, still]) socket.destroy();
});

test("there is no certificate yet: the port is bound, handshakes fail, and then they do not", async () => {
  const ca = createAuthority("ca");
  const issued = ca.issue({ commonName: "late", ipAddresses: ["127.0.0.1"] });
  const late = new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  let there = false;
  const certificate = {
    current: (): ServingCertificate => {
      if (there) return late.current();
      throw new VirtualKubeletError("Unavailable", "nobody has approved it yet");
    },
    subscribe: (changed: () => void): (() => void) => late.subscribe(changed),
    run: async (): Promise<void> => {},
  };
  await using kubelet = await startKubelet([new FakeNode("node-a")], { certificate });
  await assert.rejects(kubelet.tls({ ca: ca.certificate }));
  there = true;
  late.set(late.current());
  (await kubelet.tls({ ca: ca.certificate })).destroy();
});

test("client certificates: of the client CA alone, as it is now", async () => {
  const [first, second] = [createAuthority("first"), createAuthority("second")];
  const clientCA = new Changing(first.certificate);
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA });
  const admin = first.issue({ commonName: "admin", usages: ["client"] });
  const other = second.issue({ commonName: "admin", usages: ["client"] });
  const serverOnly = first.issue({ commonName: "admin", usages: ["server"] });
  const connection = (issued: { certificate: string; key: string }): Promise<TLSSocket> =>
    kubelet.tls({ cert: issued.certificate, key: issued.key });
  const good = await connection(admin);
  const bad = await connection(other);
  const server = await connection(serverOnly);
  assert.match(await ask(good, request("/healthz")), /^HTTP\/1.1 200 /);
  assert.match(await ask(bad, request("/healthz")), /^HTTP\/1.1 401 /);
  assert.match(await ask(server, request("/healthz")), /^HTTP\/1.1 401 /);
  assert.match(await ask(bad, request("/healthz", "admin")), /^HTTP\/1.1 200 /, "a token will do");
  clientCA.set(second.certificate);
  assert.match(await ask(good, request("/healthz")), /^HTTP\/1.1 401 /, "its CA is no longer trusted");
  const now = await connection(other);
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 200 /);
  clientCA.set("no CA");
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 401 /);
  clientCA.set(`${first.certificate}\n${second.certificate}`);
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 200 /);
  for (const socket of [good, bad, server, now]) socket.destroy();
});

test("client certificates of an authority in between: the client brings its certificate, or the bundle has it", async () => {
  const [root, other] = [createAuthority("root"), createAuthority("root")];
  const between = root.intermediate("between");
  const admin = between.issue({ commonName: "admin", usages: ["client"] });
  const serverOnly = between.issue({ commonName: "admin", usages: ["server"] });
  const chain = `${admin.certificate}${between.certificate}`;
  const clientCA = new Changing(root.certificate);
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA });
  for (const [title, bundle, cert, key, status] of [
    ["brought along", root.certificate, chain, admin.key, 200],
    ["brought by nobody", root.certificate, admin.certificate, admin.key, 401],
    ["in a bundle with its own authority", root.certificate + between.certificate, admin.certificate, admin.key, 200],
    ["in a bundle without its own authority", between.certificate, admin.certificate, admin.key, 401],
    ["for another purpose", root.certificate + between.certificate, serverOnly.certificate, serverOnly.key, 401],
    ["of another authority", other.certificate, chain, admin.key, 401],
    ["itself no authority", admin.certificate, chain, admin.key, 401],
  ] as const) {
    clientCA.set(bundle);
    const socket = await kubelet.tls({ cert, key });
    const answer = await ask(socket, request("/healthz"));
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), title);
    if (status === 200) {
      clientCA.set(other.certificate);
      assert.match(await ask(socket, request("/healthz")), /^HTTP\/1.1 401 /, `${title}: trusted no more`);
    }
    socket.destroy();
  }
});

test("where anonymous callers are taken, a bad client certificate makes nobody one; a token beside it helps", async () => {
  const [good, other] = [createAuthority("first"), createAuthority("second")];
  const tokens = new TokenServer();
  tokens.accept("t", "admin");
  const authenticator = createAuthenticator({ client: tokens.client, allowAnonymous: true });
  const authorizer = { authorize: async () => ({ allowed: true }) };
  const clientCA = new Changing(good.certificate);
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA, authenticator, authorizer });
  const stranger = other.issue({ commonName: "admin", usages: ["client"] });
  const none = await kubelet.tls();
  const foreign = await kubelet.tls({ cert: stranger.certificate, key: stranger.key });
  assert.match(await ask(none, request("/healthz")), /^HTTP\/1.1 200 /);
  assert.match(await ask(foreign, request("/healthz")), /^HTTP\/1.1 401 /);
  assert.match(await ask(foreign, request("/healthz", "t")), /^HTTP\/1.1 200 /);
  clientCA.set("");
  assert.match(
    await ask(foreign, request("/healthz")),
    /^HTTP\/1.1 200 /,
    "without any CA there is nothing to judge by",
  );
  for (const socket of [none, foreign]) socket.destroy();
});

test("client certificates over HTTP/2", async () => {
  const authority = createAuthority("clients");
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA: new Changing(authority.certificate) });
  const admin = authority.issue({ commonName: "admin", usages: ["client"] });
  for (const [options, status] of [
    [{ cert: admin.certificate, key: admin.key }, 200],
    [{}, 401],
  ] as const) {
    const session = kubelet.http2(options);
    const stream = session.request({ ":path": "/healthz" });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], status);
    session.destroy();
  }
});

test("HTTP/1.1 for who has the choice, HTTP/2 for who speaks nothing else", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  for (const [offered, agreed] of [
    [["h2", "http/1.1"], "http/1.1"],
    [["http/1.1", "h2"], "http/1.1"],
    [["http/1.1"], "http/1.1"],
    [["h2"], "h2"],
  ] as const) {
    const socket = await kubelet.tls({ ALPNProtocols: [...offered] });
    assert.equal(socket.alpnProtocol, agreed);
    socket.destroy();
  }
});

test("nodes with certificates of their own on one port: by server name", async () => {
  const ca = createAuthority("ca");
  const own = (node: string): Changing<ServingCertificate> => {
    const issued = ca.issue({ commonName: node, dnsNames: [node] });
    return new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  };
  const certificates = new Map(["node-a", "node-b"].map((node) => [node, own(node)]));
  const nodes = [...certificates.keys()].map((name) => new FakeNode(name));
  await using kubelet = await startKubelet(nodes, {
    nodes: nodes.map((node) => ({ node, host: "127.0.0.1", port: 0 })),
    sharedPort: true,
    certificate: (node) => certificates.get(node) ?? own(node),
  });
  for (const servername of ["node-a", "node-b"]) {
    const socket = await kubelet.tls({ ca: ca.certificate, servername });
    assert.equal(socket.getPeerCertificate().subject.CN, servername);
    socket.destroy();
  }
  const renewed = ca.issue({ commonName: "renewed", dnsNames: ["node-b"] });
  certificates.get("node-b")?.set({ cert: renewed.certificate, key: renewed.key });
  const socket = await kubelet.tls({ ca: ca.certificate, servername: "node-b" });
  assert.equal(socket.getPeerCertificate().subject.CN, "renewed");
  socket.destroy();
});

test("without a client CA no client certificate is asked for, whoever signed it", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const mine = kubelet.ca.issue({ commonName: "admin" });
  const socket = await kubelet.tls({ cert: mine.certificate, key: mine.key });
  assert.match(await ask(socket, request("/healthz")), /^HTTP\/1.1 401 /);
  socket.destroy();
});

test("each node has its own port and its own certificate, and knows its own pods", async () => {
  const ca = createAuthority("ca");
  const own = (node: string): Changing<ServingCertificate> => {
    const issued = ca.issue({ commonName: node, ipAddresses: ["127.0.0.1"] });
    return new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  };
  const certificates = new Map([
    ["node-a", own("node-a")],
    ["node-b", own("node-b")],
  ]);
  const certificate = (node: string): Changing<ServingCertificate> => certificates.get(node) ?? own(node);
  await using kubelet = await startKubelet([new FakeNode("node-a"), new FakeNode("node-b", {}, [])], { certificate });
  for (const [node, items] of [
    ["node-a", 1],
    ["node-b", 0],
  ] as const) {
    const socket = await kubelet.tls({ ca: ca.certificate }, node);
    assert.equal(socket.getPeerCertificate().subject.CN, node);
    const answer = await ask(socket, request("/pods", `only-${node}`));
    assert.equal(JSON.parse(answer.split("\r\n\r\n")[1] ?? "").items.length, items);
    socket.destroy();
  }
});

test("one certificate for many ports", async () => {
  const nodes = ["node-a", "node-b", "node-c"].map((name) => new FakeNode(name));
  await using kubelet = await startKubelet(nodes);
  for (const { name } of nodes) {
    const answer = await kubelet.get("/healthz", `only-${name}`, { port: kubelet.port(name) });
    assert.equal(answer.status, 200);
  }
  assert.equal(new Set(nodes.map(({ name }) => kubelet.port(name))).size, 3);
});

test("an address that is taken: both say so", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const node = new FakeNode("node-b");
  const nodes = [{ node, host: "127.0.0.1", port: kubelet.port() }];
  await assert.rejects(startKubelet([node], { nodes }), /cannot listen on 127\.0\.0\.1, port \d+/);
});
