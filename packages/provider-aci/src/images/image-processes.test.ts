// What pods leave to their images, learnt from a registry.
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import {
  type ImageCredential,
  type PodRequest,
  type ResolvedContainer,
  silentLogger,
  systemClock,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";
import { type AciConfig, parseAciConfig } from "../config.ts";
import { FakeRegistry } from "../testing/fake-registry.ts";
import { ImageProcesses } from "./image-processes.ts";
import { imageSource } from "./image-source.ts";
import { RegistryClient } from "./registry-client.ts";

const context = { signal: AbortSignal.timeout(300_000), log: silentLogger };
const identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
const server = { Entrypoint: ["/server"], Cmd: ["--port=80"] };

function configOf(imageLookups: object = {}, more: object = {}): AciConfig {
  const account = { subscription: "00000000-1111-2222-3333-444444444444", resourceGroup: "g", region: "r" };
  return parseAciConfig({ ...account, imageLookups, ...more });
}

describe("an image's command", { concurrency: false }, () => {
  let registry: FakeRegistry;
  before(async () => {
    registry = await FakeRegistry.start();
    registry.publish("team/app", "1", server);
  });
  after(() => registry[Symbol.asyncDispose]());

  let token = "directory token";
  function processes(t: TestContext, config: AciConfig = configOf(), operatingSystem = "linux"): ImageProcesses {
    Object.assign(registry, { login: "nobody", account: "", keepsBlobsElsewhere: false, status: undefined });
    registry.asked.length = 0;
    const client = new RegistryClient({ ca: registry.ca });
    const identityToken = async (): Promise<string> => token;
    const made = new ImageProcesses({ registry: client, config, clock: systemClock, operatingSystem, identityToken });
    t.after(() => made[Symbol.asyncDispose]());
    return made;
  }

  function podOf(container: object, credentials: readonly Partial<ImageCredential>[] = []): PodRequest {
    const json = { name: "main", image: `${registry.host}/team/app:1`, ...container };
    const [request] = resolvedRequests(
      `{kind: Pod, metadata: {name: p}, spec: {containers: [${JSON.stringify(json)}]}}`,
      { node: "n", cluster: "c" },
    );
    assert.ok(request?.resolved !== undefined);
    const imageCredentials = credentials.map((each) => ({
      ...{ registry: registry.host, username: "", password: "", ...each },
    }));
    return { ...request, resolved: { ...request.resolved, imageCredentials } };
  }

  async function filled(of: ImageProcesses, request: PodRequest): Promise<ResolvedContainer> {
    const [main] = (await of.filled(request, context))?.containers ?? [];
    return main ?? assert.fail();
  }
  const paths = (): readonly string[] => registry.asked.map(({ path }) => path.replace(/sha256:\w+/, "DIGEST"));

  it("is not asked for where the pod says it, or nothing needs it", async (t) => {
    const all = processes(t);
    for (const container of [{}, { command: ["/x"], args: ["y"], workingDir: "/z" }])
      await all.filled(podOf(container), context);
    assert.deepEqual(paths(), []);
  });

  it("is joined with the pod's arguments as a kubelet does", async (t) => {
    const all = processes(t);
    const main = await filled(all, podOf({ args: ["--verbose"] }));
    assert.deepEqual([main.command, main.args], [["/server"], ["--verbose"]]);
    const plain = await filled(all, podOf({ workingDir: "/srv" }));
    assert.deepEqual([plain.command, plain.args], [["/server"], ["--port=80"]]);
    // The second was known.
    assert.deepEqual(paths(), ["/v2/team/app/manifests/1", "/v2/team/app/blobs/DIGEST"]);
  });

  it("of an image of many platforms is that of linux/amd64, by digest too", async (t) => {
    const inner = registry.publish("team/many", "inner", { Cmd: ["sh"] });
    const other = `sha256:${"0".repeat(64)}`;
    const manifests = [
      { digest: other, platform: { os: "linux", architecture: "arm64" } },
      { digest: inner, platform: { os: "linux", architecture: "amd64" } },
    ];
    const digest = registry.put("team/many", "manifests", { schemaVersion: 2, manifests }, "1");
    for (const image of [`${registry.host}/team/many:1`, `${registry.host}/team/many@${digest}`]) {
      const main = await filled(processes(t), podOf({ image, workingDir: "/srv" }));
      assert.deepEqual([main.command, main.args], [["sh"], []]);
    }
    const windows = processes(t, configOf(), "windows").filled(
      podOf({ image: `${registry.host}/team/many:1`, args: ["a"] }),
      context,
    );
    await assert.rejects(windows, { reason: "ErrImagePull", message: /is not there for windows\/amd64/ });
  });

  for (const login of ["basic", "bearer"] as const)
    it(`is read as whom the pull secrets say (${login}), and the blob's keeper is told none of it`, async (t) => {
      const all = processes(t);
      Object.assign(registry, { login, account: "reader:word", keepsBlobsElsewhere: true });
      const wrong = { username: "reader", password: "other" };
      const main = await filled(all, podOf({ args: ["a"] }, [wrong, { username: "reader", password: "word" }]));
      assert.deepEqual(main.command, ["/server"]);
      const elsewhere = registry.asked.filter(({ path }) => path.startsWith("/elsewhere/"));
      assert.deepEqual(
        elsewhere.map(({ authorization }) => authorization),
        [undefined],
      );
    });

  it("is read by a refresh token, and by nobody's token where that is enough", async (t) => {
    const all = processes(t);
    Object.assign(registry, { login: "bearer", account: "refresh" });
    await filled(all, podOf({ args: ["a"] }, [{ identityToken: "refresh" }]));
    const open = processes(t);
    Object.assign(registry, { login: "bearer", account: "" });
    await filled(open, podOf({ args: ["a"] }));
  });

  it("is read as this program's identity where the cloud pulls as one; told where that may not", async (t) => {
    const registries = [{ server: registry.host, identity }];
    const all = processes(t, configOf({}, { registries }));
    Object.assign(registry, { login: "bearer", account: "of an identity" });
    await filled(all, podOf({ args: ["a"] }));
    token = "another";
    const refused = processes(t, configOf({}, { registries })).filled(podOf({ args: ["a"] }), context);
    await assert.rejects(refused, { reason: "ErrImagePull", message: /\(403\): it needs the role AcrPull there$/ });
    token = "directory token";
    // Elsewhere it is sent to nobody.
    const plain = processes(t);
    Object.assign(registry, { login: "bearer", account: "of an identity" });
    await assert.rejects(plain.filled(podOf({ args: ["a"] }), context), { reason: "ErrImagePull" });
    assert.ok(!paths().includes("/oauth2/exchange"));
  });

  it("that may not be read is told so, with the field, and no word of the secret", async (t) => {
    const all = processes(t);
    Object.assign(registry, { login: "basic", account: "reader:word" });
    const answer = all.filled(podOf({ args: ["a"] }, [{ username: "reader", password: "hunter2" }]), context);
    await assert.rejects(answer, (error: unknown) => {
      assert.ok(error instanceof VirtualKubeletError);
      assert.match(error.message, /^what image "127\.0\.0\.1:\d+\/team\/app:1" runs .*unauthorized/);
      assert.doesNotMatch(error.message, /hunter2/);
      const { kind, reason, field } = error;
      assert.deepEqual([kind, reason, field], ["Unavailable", "ErrImagePull", "spec.containers[0].image"]);
      return true;
    });
  });

  it("is sought at no place without TLS", async (t) => {
    const all = processes(t);
    registry.login = "bearerElsewhere";
    await assert.rejects(all.filled(podOf({ args: ["a"] }), context), { message: /without TLS/ });
  });

  it("is taken from no content that is not what its digest says, and from none without end", async (t) => {
    const digest = registry.put("team/bad", "blobs", { config: server });
    registry.put("team/bad", "manifests", { config: { digest } }, "1");
    registry.spoil(`/v2/team/bad/blobs/${digest}`, '{"config": {"Entrypoint": ["/other"]}}');
    const pod = podOf({ image: `${registry.host}/team/bad:1`, args: ["a"] });
    await assert.rejects(processes(t).filled(pod, context), { message: /what the registry sent is not sha256:/ });
    registry.spoil(`/v2/team/bad/blobs/${digest}`, " ".repeat(5 * 2 ** 20));
    await assert.rejects(processes(t).filled(pod, context), { reason: "RegistryUnavailable" });
    registry.spoil("/v2/team/bad/manifests/1", "<html>");
    await assert.rejects(processes(t).filled(pod, context), { message: /in no form that is known/ });
  });

  it("of an image or a registry that is not there is waited for", async (t) => {
    const all = processes(t);
    const missing = podOf({ image: `${registry.host}/team/none:1`, args: ["a"] });
    await assert.rejects(all.filled(missing, context), { reason: "ErrImagePull", message: /manifest unknown/ });
    registry.status = 503;
    await assert.rejects(all.filled(podOf({ args: ["a"] }), context), { reason: "RegistryUnavailable" });
    const nobody = podOf({ image: "127.0.0.1:1/app", args: ["a"] });
    await assert.rejects(all.filled(nobody, context), { kind: "Unavailable", reason: "RegistryUnavailable" });
  });

  it("that names none is refused", async (t) => {
    registry.publish("team/empty", "1", {});
    const pod = podOf({ image: `${registry.host}/team/empty:1`, workingDir: "/srv" });
    await assert.rejects(processes(t).filled(pod, context), {
      ...{ kind: "Unsupported", field: "spec.containers[0].workingDir" },
    });
  });
});

describe("whose registry is asked", () => {
  const home = { registry: "", url: "https://home.example/" };
  const cases: readonly [string, object, string | RegExp][] = [
    ["a.example/team/app:2", {}, "https://a.example team/app 2"],
    [`a.example/app@sha256:${"ab".repeat(32)}`, {}, `https://a.example app sha256:${"ab".repeat(32)}`],
    ["a.example/../../admin?x=:1", {}, /is no name of an image$/],
    ["a.example/app:1#x", {}, /is no name of an image$/],
    ["user@a.example/app", {}, /is no name of an image$/],
    ["a.example/app", { hosts: ["*.b.example"] }, /^a\.example is not among imageLookups\.hosts$/],
    ["x.b.example:5000/app", { hosts: ["*.b.example:5000"] }, "https://x.b.example:5000 app latest"],
    ["app", {}, /imageLookups\.endpoints/],
    ["app:1", { endpoints: [home] }, "https://home.example library/app 1"],
    ["team/app:1", { endpoints: [home] }, "https://home.example team/app 1"],
    ["team/app:1", { endpoints: [home], hosts: [] }, /without a registry are not among/],
    ["pull.example/app", {}, "https://pull.example app latest"],
  ];
  for (const [image, lookups, wanted] of cases)
    it(`${image} ${JSON.stringify(lookups)}`, () => {
      const found = imageSource(image, configOf(lookups, { registries: [{ server: "pull.example", identity }] }));
      const text = typeof found === "string" ? found : `${found.url} ${found.repository} ${found.reference}`;
      if (typeof wanted === "string") assert.equal(text, wanted);
      else assert.match(text, wanted);
    });
});
