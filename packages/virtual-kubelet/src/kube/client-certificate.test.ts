import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { answer, eventually, startFaultServer } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { createAuthority } from "../testing/pki.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { CertificateStore } from "./certificate-store.ts";
import { bootstrapClient, ClientCertificateRotation } from "./client-certificate.ts";
import { clusterOf } from "./client-kubeconfig.ts";

const authority = createAuthority("kubernetes");
const issue = (node: string) => {
  const { certificate, key } = authority.issue({ commonName: `system:node:${node}`, organizations: ["system:nodes"] });
  return { cert: certificate, key };
};
const yearMs = 365 * 86_400_000;

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "client-certificate-"));
});
after(() => rm(root, { recursive: true, force: true }));

/** Text of a kubeconfig. */
function kubeconfigText(server: string, user: object, cluster: object = {}): string {
  return JSON.stringify({
    clusters: [{ name: "c", cluster: { server, ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u", namespace: "ns" } }],
    "current-context": "c",
  });
}

interface Place {
  readonly directory: string;
  readonly kubeconfig: string;
  readonly bootstrapKubeconfig: string;
  readonly certDir: string;
  readonly pem: string;
}

async function newPlace(): Promise<Place> {
  const directory = await mkdtemp(join(root, "node-"));
  const certDir = join(directory, "pki");
  const bootstrapKubeconfig = join(directory, "bootstrap.conf");
  // Nobody listens there: whoever asks waits for ever.
  await writeFile(bootstrapKubeconfig, kubeconfigText("https://127.0.0.1:1", { token: "abcdef.0123456789abcdef" }));
  const pem = join(certDir, "kubelet-client-current.pem");
  return { directory, kubeconfig: join(directory, "kubelet.conf"), bootstrapKubeconfig, certDir, pem };
}

/** True when it asked the API server, which is not there. */
async function asks(place: Place, now = Date.now()): Promise<boolean> {
  const log = new LogRecorder();
  const end = new AbortController();
  const clock = new FakeClock(now);
  const running = bootstrapClient({ ...place, node: "a", log, clock }, end.signal);
  let done = false;
  const ended = running
    .catch((error: unknown) => assert.equal(Reflect.get(Object(error), "kind"), "Aborted"))
    .finally(() => {
      done = true;
    });
  const asked = (): boolean => log.count(/asking for the node's own credentials/) > 0;
  await eventually(() => done || asked(), "decides");
  end.abort();
  await ended;
  return asked();
}

describe("bootstrap", () => {
  it("does nothing where there are credentials that hold", async () => {
    const place = await newPlace();
    const pair = issue("a");
    const data = (text: string): string => Buffer.from(text).toString("base64");
    await writeFile(join(place.directory, "a.crt"), pair.cert);
    await writeFile(join(place.directory, "a.key"), pair.key);
    for (const user of [
      { token: "t" },
      { "client-certificate-data": data(pair.cert), "client-key-data": data(pair.key) },
      // Relative to the kubeconfig, and of whatever name: it is not ours.
      { "client-certificate": "a.crt", "client-key": "a.key" },
    ]) {
      const text = kubeconfigText("https://127.0.0.1:1", user);
      await writeFile(place.kubeconfig, text);
      await rm(place.bootstrapKubeconfig, { force: true });
      assert.equal(await asks(place), false);
      assert.equal(await readFile(place.kubeconfig, "utf8"), text);
    }
  });

  it("asks where the certificate has expired, is missing, does not fit, or is another node's", async () => {
    const place = await newPlace();
    const own = {
      "client-certificate": "pki/kubelet-client-current.pem",
      "client-key": "pki/kubelet-client-current.pem",
    };
    assert.equal(await asks(place), true, "no kubeconfig");
    await writeFile(place.kubeconfig, kubeconfigText("https://127.0.0.1:1", own));
    await rm(place.certDir, { recursive: true, force: true });
    assert.equal(await asks(place), true, "no certificate");
    const write = async (text: string): Promise<void> => {
      await mkdir(place.certDir, { recursive: true });
      await writeFile(place.pem, text);
    };
    await write(issue("a").cert + issue("a").key);
    assert.equal(await asks(place), true, "no pair");
    await write(issue("b").cert + issue("b").key);
    assert.equal(await asks(place), true, "no pair of another node");
    const other = issue("b");
    await write(other.cert + other.key);
    assert.equal(await asks(place), true, "another node's");
    const good = issue("a");
    await write(good.cert + good.key);
    assert.equal(await asks(place), false);
    assert.equal(await asks(place, Date.now() + 2 * yearMs), true, "expired");
  });

  it("only writes the kubeconfig where that alone is missing: the same cluster, and no secret", async () => {
    const place = await newPlace();
    await new CertificateStore(place.certDir, "kubelet-client").write(issue("a"));
    await writeFile(join(place.directory, "ca.crt"), authority.certificate);
    await writeFile(
      place.bootstrapKubeconfig,
      kubeconfigText(
        "https://127.0.0.1:1/prefix",
        { token: "abcdef.0123456789abcdef" },
        { "certificate-authority": "ca.crt", "tls-server-name": "api.test", "proxy-url": "http://127.0.0.1:2" },
      ),
    );
    assert.equal(await asks(place), false);
    assert.equal((await stat(place.kubeconfig)).mode & 0o777, 0o600);
    assert.doesNotMatch(await readFile(place.kubeconfig, "utf8"), /abcdef|PRIVATE/);
    assert.deepEqual(await clusterOf(place.kubeconfig), {
      ...(await clusterOf(place.bootstrapKubeconfig)),
      certificateAuthority: { file: join(place.directory, "ca.crt") },
      user: { ...noUser, clientCertificate: { file: place.pem }, clientKey: { file: place.pem } },
    });
  });

  it("says at once what cannot be: a kubeconfig with faults, a directory that cannot be written", async () => {
    const place = await newPlace();
    const run = (more: Partial<Place>): Promise<void> =>
      bootstrapClient({ ...place, ...more, node: "a", log: new LogRecorder() }, new AbortController().signal);
    await assert.rejects(run({ bootstrapKubeconfig: join(place.directory, "none") }), { kind: "Invalid" });
    await assert.rejects(run({ certDir: join(place.bootstrapKubeconfig, "certs") }), {
      kind: "Invalid",
      message: /ENOTDIR/,
    });
    await writeFile(place.kubeconfig, "clusters: 1");
    await assert.rejects(run({}), { kind: "Invalid", message: /clusters/ });
  });

  it("goes on trying with a token that is refused, and shows it nowhere", async () => {
    await using server = await startFaultServer((_request, response) => answer(response, 401, { message: "no" }));
    const place = await newPlace();
    const user = { token: "abcdef.0123456789abcdef" };
    const ca = Buffer.from(server.authority.certificate).toString("base64");
    await writeFile(place.bootstrapKubeconfig, kubeconfigText(server.url, user, { "certificate-authority-data": ca }));
    const log = new LogRecorder();
    const end = new AbortController();
    const clock = new FakeClock(Date.now());
    const running = bootstrapClient({ ...place, node: "a", log, clock }, end.signal);
    const refused = (times: number): Promise<void> =>
      eventually(() => log.count(/does not take these credentials/, "warn") === times, `refused ${times} times`);
    await refused(1);
    await clock.advance(6000);
    await refused(2);
    end.abort();
    await assert.rejects(running, { kind: "Aborted" });
    assert.doesNotMatch(JSON.stringify(log.lines), /0123456789abcdef/);
    assert.ok(
      server.requests.every((request) => /^POST .*\/certificatesigningrequests\?/.test(request)),
      String(server.requests),
    );
  });
});

const noUser = {
  exec: undefined,
  impersonate: undefined,
  password: undefined,
  token: undefined,
  tokenFile: undefined,
  username: undefined,
};

describe("rotation", () => {
  it("leaves alone what is not kept in the certificate directory", async () => {
    const place = await newPlace();
    for (const text of [kubeconfigText("https://127.0.0.1:1", { token: "t" }), "clusters: 1"]) {
      await writeFile(place.kubeconfig, text);
      const log = new LogRecorder();
      const rotation = new ClientCertificateRotation({ ...place, node: "a", client: scriptedClient({}), log });
      await rotation.run(new AbortController().signal);
      assert.equal(log.count(/not rotated/), 1);
    }
  });

  it("asks as the node itself, and by the bootstrap token once the certificate has expired", async () => {
    const place = await newPlace();
    await new CertificateStore(place.certDir, "kubelet-client").write(issue("a"));
    await asks(place);
    const asked: string[] = [];
    const client = scriptedClient({
      create: () => {
        asked.push("node");
        return Promise.reject(new Error("refused"));
      },
    });
    await using server = await startFaultServer((request, response) => {
      asked.push(String(request.headers.authorization));
      answer(response, 403, { message: "no" });
    });
    const ca = Buffer.from(server.authority.certificate).toString("base64");
    await writeFile(
      place.bootstrapKubeconfig,
      kubeconfigText(server.url, { token: "abcdef.0123456789abcdef" }, { "certificate-authority-data": ca }),
    );
    for (const [now, by] of [
      [Date.now() + 0.95 * yearMs, "node"],
      [Date.now() + 2 * yearMs, "Bearer abcdef.0123456789abcdef"],
    ] as const) {
      asked.length = 0;
      const end = new AbortController();
      const log = new LogRecorder();
      const rotation = new ClientCertificateRotation({ ...place, node: "a", client, log, clock: new FakeClock(now) });
      const running = rotation.run(end.signal);
      await eventually(() => asked.length > 0, "asks");
      assert.deepEqual(asked, [by]);
      end.abort();
      await running;
    }
  });
});
