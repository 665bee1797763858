// Pods resolved against the real API server, as a node's own user under the Node authoriser and as a ServiceAccount with
// deploy/rbac.yaml: environment, volumes, tokens, waiting for what is missing, and changes that reach running pods.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Clock } from "../packages/virtual-kubelet/src/clock.ts";
import {
  configMaps,
  events,
  pods,
  type Stored,
  secrets,
  tokenReviews,
} from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Event, Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { ResolvedPod } from "../packages/virtual-kubelet/src/resolved-pod.ts";
import { LogRecorder } from "../packages/virtual-kubelet/src/testing/log-recorder.ts";
import { eventually, type Harness, isRunning, podObject, startHarness, throughout } from "./harness.ts";
import { resolvingNode, shown } from "./resolving-node.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

const credentials: readonly (readonly [string, () => Promise<string>])[] = [
  ["node-user", () => harness.cluster.kubeconfigFor("system:node:node-user", ["system:nodes"])],
  ["account", () => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet")],
];

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function configMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
  await harness.client.create(configMaps, { metadata: { name, namespace: "default" }, data });
}

async function secret(name: string, data: Readonly<Record<string, string>>, type = "Opaque"): Promise<void> {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
  await harness.client.create(secrets, { metadata: { name, namespace: "default" }, type, data: encoded });
}

async function run(
  name: string,
  node: string,
  container: Partial<Container>,
  spec: Partial<PodSpec> = {},
): Promise<Stored<Pod>> {
  const containers = [{ name: "main", image: "example.com/app:1", ...container }];
  return await harness.client.create(pods, podObject(name, { spec: { ...spec, nodeName: node, containers } }));
}

function environment(resolved: ResolvedPod, container = "main"): Readonly<Record<string, string | undefined>> {
  const found = resolved.containers.find((each) => each.name === container);
  return Object.fromEntries((found?.env ?? []).map(({ name, value }) => [name, shown(value)]));
}

async function eventsOf(pod: string): Promise<readonly Event[]> {
  const { items } = await harness.client.list(events, {
    namespace: "default",
    fieldSelector: `involvedObject.name=${pod}`,
  });
  return items;
}

/** GET with a bearer token; the status code. */
function statusOf(url: string, token: string, ca: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request(url, { ca, headers: { authorization: `Bearer ${token}` } }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  })
    .once("error", reject)
    .end();
  return promise;
}

const waiting = (pod: Pod, container = "main"): { readonly reason?: string; readonly message?: string } | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === container)?.state?.waiting;

describe("resolved pods", { concurrency: true, timeout: 180_000 }, () => {
  for (const [name, kubeconfig] of credentials) {
    it(`environment, volumes and credentials; no secret is shown: ${name}`, async () => {
      const node = await resolvingNode(name);
      const log = new LogRecorder();
      await using _kubelet = await harness.kubelet([node], { kubeconfig: await kubeconfig(), log });
      const dns = "192.0.2.53";
      await configMap(`${name}-config`, { greeting: "hello", subject: "world", "file.txt": "text" });
      await secret(`${name}-secret`, { password: "s3cr3t-value", other: "s3cr3t-other" });
      const auths = { "registry.example.com/team": { auth: base64("user:s3cr3t-login") } };
      const pull = JSON.stringify({ auths });
      await secret(`${name}-pull`, { ".dockerconfigjson": pull }, "kubernetes.io/dockerconfigjson");
      const pod = await run(
        `${name}-all`,
        name,
        {
          image: "registry.example.com/team/app",
          command: ["sh", "-c", "$(GREETING) $$(GREETING) $(NOBODY)"],
          args: ["$(ADDRESS):$(KUBERNETES_SERVICE_PORT)"],
          envFrom: [
            { prefix: "C_", configMapRef: { name: `${name}-config` } },
            { secretRef: { name: `${name}-secret` } },
            { configMapRef: { name: "nowhere", optional: true } },
          ],
          env: [
            { name: "GREETING", value: "$(C_greeting), $(C_subject)" },
            { name: "PASSWORD", valueFrom: { secretKeyRef: { name: `${name}-secret`, key: "password" } } },
            { name: "ABSENT", valueFrom: { secretKeyRef: { name: `${name}-secret`, key: "none", optional: true } } },
            { name: "URL", value: "http://x:$(PASSWORD)@$(ADDRESS_LATER)" },
            { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
            { name: "UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
            { name: "ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
            { name: "HOSTS", valueFrom: { fieldRef: { fieldPath: "status.hostIPs" } } },
            { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
            { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "requests.memory", divisor: "1Ki" } } },
          ],
          resources: { requests: { memory: "1025" }, limits: { cpu: "1500m" } },
          volumeMounts: [
            { name: "mixed", mountPath: "/mixed", readOnly: true },
            { name: "scratch", mountPath: "/scratch", subPathExpr: "of/$(UID)" },
          ],
        },
        {
          hostname: "here",
          subdomain: "there",
          imagePullSecrets: [{ name: `${name}-pull` }, { name: "no-pull" }],
          dnsPolicy: "None",
          dnsConfig: { nameservers: [dns], searches: ["example.com"] },
          volumes: [
            { name: "scratch", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
            {
              name: "mixed",
              projected: {
                defaultMode: 0o440,
                sources: [
                  {
                    configMap: {
                      name: `${name}-config`,
                      items: [{ key: "file.txt", path: "a/file.txt", mode: 0o400 }],
                    },
                  },
                  { secret: { name: `${name}-secret` } },
                  { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
                  { serviceAccountToken: { path: "vault", audience: "vault", expirationSeconds: 600 } },
                ],
              },
            },
          ],
        },
      );
      const resolved = await node.resolved(`${name}-all`);

      const { KUBERNETES_SERVICE_HOST: api = "", ...env } = environment(resolved);
      assert.match(api, /^\d+\.\d+\.\d+\.\d+$/);
      assert.deepEqual(Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith("KUBERNETES_"))), {
        C_greeting: "hello",
        C_subject: "world",
        "C_file.txt": "text",
        other: "s3cr3t-other",
        password: "s3cr3t-value",
        GREETING: "hello, world",
        PASSWORD: "s3cr3t-value",
        URL: "http://x:s3cr3t-value@$(ADDRESS_LATER)",
        NODE: name,
        UID: pod.metadata.uid,
        ADDRESS: "<status.podIP>",
        HOSTS: "<status.hostIPs>",
        CPU: "1500",
        MEMORY: "2",
      });
      const [container] = resolved.containers;
      assert.deepEqual(
        container?.env.filter((each) => each.secret).map((each) => each.name),
        ["other", "password", "PASSWORD", "URL"],
      );
      assert.deepEqual(container?.command?.map(shown), ["sh", "-c", "hello, world $(GREETING) $(NOBODY)"]);
      assert.deepEqual(container?.args?.map(shown), ["<status.podIP>:443"]);
      assert.equal(container?.image, "registry.example.com/team/app:latest");
      assert.equal(container?.imagePullPolicy, "Always");
      assert.deepEqual(container?.mounts.slice(0, 2), [
        { volume: "mixed", mountPath: "/mixed", readOnly: true },
        { volume: "scratch", mountPath: "/scratch", readOnly: false, subPath: `of/${pod.metadata.uid}` },
      ]);
      assert.deepEqual(resolved.imageCredentials, [
        { registry: "registry.example.com/team", username: "user", password: "s3cr3t-login" },
      ]);
      assert.equal(resolved.hostname, "here");
      assert.equal(resolved.fqdn, "here.there.default.svc.cluster.local");
      assert.equal(resolved.resolvConf, `search example.com\nnameserver ${dns}\n`);
      assert.match(shown(resolved.hosts) ?? "", /<status\.podIP>\there\.there\.default\.svc\.cluster\.local\there\n/);

      const [scratch, mixed, access] = resolved.volumes;
      assert.deepEqual(scratch, { name: "scratch", type: "emptyDir", medium: "Memory", sizeLimit: 1_048_576 });
      assert.ok(mixed?.type === "files" && access?.type === "files");
      assert.deepEqual(
        mixed.files.map(({ path, mode, secret: hidden }) => [path, mode, hidden]),
        [
          ["a/file.txt", 0o400, false],
          ["labels", 0o440, false],
          ["other", 0o440, true],
          ["password", 0o440, true],
          ["vault", 0o440, true],
        ],
      );
      const review = async (token: string | undefined, audience?: string) =>
        await harness.client.review(tokenReviews, {
          spec: { token: token ?? "", ...(audience === undefined ? {} : { audiences: [audience] }) },
        });
      const vault = await review(node.file(`${name}-all`, "mixed", "vault"), "vault");
      assert.equal(vault.status?.user?.username, "system:serviceaccount:default:default");

      // The volume that every pod has: it does for a client within the pod.
      const file = (path: string): string => node.file(`${name}-all`, access.name, path) ?? "";
      assert.equal(file("namespace"), "default");
      assert.deepEqual(
        access.files.map(({ path, mode, secret: hidden }) => [path, mode, hidden]),
        [
          ["ca.crt", 0o644, false],
          ["namespace", 0o644, false],
          ["token", 0o644, true],
        ],
      );
      const token = file("token");
      assert.equal(await statusOf(`${harness.cluster.server}/api`, token, file("ca.crt")), 200);
      assert.equal(await statusOf(`${harness.cluster.server}/api`, `${token}x`, file("ca.crt")), 401);
      const bound = (await review(token)).status?.user?.extra?.["authentication.kubernetes.io/pod-uid"];
      assert.deepEqual(bound, [pod.metadata.uid]);

      await harness.untilPod("runs", `${name}-all`, 15_000, isRunning);
      await eventually("what is left out is told", 10_000, async () => {
        const reasons = (await eventsOf(`${name}-all`)).map(({ reason }) => reason);
        return ["OptionalConfigMapNotFound", "OptionalSecretKeyNotFound", "FailedToRetrieveImagePullSecret"].every(
          (reason) => reasons.includes(reason),
        );
      });
      // A token no longer works once its pod is gone, and nothing of any secret was written anywhere.
      const told = JSON.stringify([await harness.find(pods, `${name}-all`), await eventsOf(`${name}-all`), log.lines]);
      assert.match(told, /contents|createPod|registered/);
      for (const hidden of ["s3cr3t", base64("s3cr3t-value"), base64("user:s3cr3t-login"), token, token.split(".")[2]])
        assert.ok(hidden !== undefined && !told.includes(hidden));
      await harness.kubectl("delete", "pod", `${name}-all`);
      await eventually("the token is worth nothing", 15_000, async () => !(await review(token)).status?.authenticated);
    });

    it(`a pod waits for what it must have, and starts when that appears: ${name}`, async () => {
      const node = await resolvingNode(`${name}-waits`);
      const user = name === "node-user" ? `system:node:${name}-waits` : undefined;
      const config =
        user === undefined ? await kubeconfig() : await harness.cluster.kubeconfigFor(user, ["system:nodes"]);
      await using _kubelet = await harness.kubelet([node], { kubeconfig: config });
      const env = [{ name: "KEY", valueFrom: { secretKeyRef: { name: `${name}-later`, key: "key" } } }];
      await run(`${name}-env`, `${name}-waits`, { env });
      const volumes = [{ name: "data", configMap: { name: `${name}-late` } }];
      await run(`${name}-volume`, `${name}-waits`, {}, { volumes });

      const lacks = await harness.untilPod(
        "says what it lacks",
        `${name}-env`,
        15_000,
        (pod) => waiting(pod)?.reason === "CreateContainerConfigError",
      );
      assert.equal(waiting(lacks)?.message, `secret "${name}-later" not found`);
      assert.equal(lacks.status?.phase, "Pending");
      await harness.untilPod(
        "waits for its volume",
        `${name}-volume`,
        15_000,
        (pod) => waiting(pod)?.reason === "ContainerCreating",
      );
      const told = async (pod: string, reason: string): Promise<readonly Event[]> =>
        (await eventsOf(pod)).filter((event) => event.reason === reason);
      const [event] = await eventually("event", 10_000, async () => {
        const found = await told(`${name}-env`, "MandatorySecretNotFound");
        return found.length > 0 && found;
      });
      assert.equal(event?.type, "Warning");
      assert.equal(event?.involvedObject.fieldPath, "spec.containers{main}");
      const [mount] = await eventually("event", 10_000, async () => {
        const found = await told(`${name}-volume`, "FailedMount");
        return found.length > 0 && found;
      });
      assert.equal(mount?.message, `MountVolume.SetUp failed for volume "data" : configmap "${name}-late" not found`);
      await throughout("nothing is given to the provider", 1500, () => node.created.size === 0);

      // The object, but not its key.
      await secret(`${name}-later`, { wrong: "x" });
      const message = `couldn't find key key in Secret default/${name}-later`;
      await harness.untilPod("says so", `${name}-env`, 10_000, (pod) => waiting(pod)?.message === message);
      const patch = { data: { key: base64("found") } };
      await harness.client.patchMeta(secrets, { namespace: "default", name: `${name}-later` }, "merge", patch);
      const at = Date.now();
      assert.equal(environment(await node.resolved(`${name}-env`, 5000))["KEY"], "found");
      assert.ok((node.created.get(`${name}-env`)?.at ?? 0) - at < 2000, "at once");
      await configMap(`${name}-late`, { a: "1" });
      await node.resolved(`${name}-volume`, 5000);
      for (const pod of [`${name}-env`, `${name}-volume`]) await harness.untilPod("runs", pod, 15_000, isRunning);
      assert.equal((await told(`${name}-env`, "MandatorySecretNotFound"))[0]?.count, 1);
      await harness.kubectl("delete", "pod", `${name}-env`, `${name}-volume`);
    });

    it(`changes reach the volumes of a running pod, and nothing else of it: ${name}`, async () => {
      const node = await resolvingNode(`${name}-changes`);
      const user = name === "node-user" ? `system:node:${name}-changes` : undefined;
      const config =
        user === undefined ? await kubeconfig() : await harness.cluster.kubeconfigFor(user, ["system:nodes"]);
      const kubelet = await harness.kubelet([node], { kubeconfig: config });
      await configMap(`${name}-live`, { key: "one" });
      const volumes = [
        { name: "live", configMap: { name: `${name}-live` } },
        { name: "later", secret: { secretName: `${name}-optional`, optional: true } },
        { name: "labels", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
      ];
      const env = [{ name: "KEY", valueFrom: { configMapKeyRef: { name: `${name}-live`, key: "key" } } }];
      const pod = `${name}-changing`;
      await run(pod, `${name}-changes`, { env }, { volumes });
      await harness.untilPod("runs", pod, 15_000, isRunning);
      assert.equal(node.file(pod, "live", "key"), "one");
      assert.equal(node.file(pod, "later", "key"), undefined);

      const change = { data: { key: "two" } };
      await harness.client.patchMeta(configMaps, { namespace: "default", name: `${name}-live` }, "merge", change);
      await eventually("the change arrives", 10_000, () => node.file(pod, "live", "key") === "two");
      await secret(`${name}-optional`, { key: "there" });
      await eventually("what is optional comes", 10_000, () => node.file(pod, "later", "key") === "there");
      await harness.kubectl("label", "pod", pod, "tier=web");
      await eventually("labels", 10_000, () => node.file(pod, "labels", "labels") === 'tier="web"');
      assert.ok(
        node.updated.every(({ volumes: handed }) => handed.length === 1),
        "only what changed",
      );
      assert.equal(node.created.size, 1);
      assert.equal(environment(await node.resolved(pod))["KEY"], "one");

      // Deleted under the pod: it keeps what it has, and other changes go on.
      await harness.client.delete(configMaps, { namespace: "default", name: `${name}-live` });
      await eventually("told", 10_000, async () =>
        (await eventsOf(pod)).some(({ reason }) => reason === "FailedMount"),
      );
      assert.equal(node.file(pod, "live", "key"), "two");
      await harness.kubectl("label", "pod", pod, "tier=api", "--overwrite");
      await eventually("labels", 10_000, () => node.file(pod, "labels", "labels") === 'tier="api"');

      // Adopted by another process, which cannot know what the pod has.
      await kubelet.stop();
      await configMap(`${name}-live`, { key: "three" });
      await using _again = await harness.kubelet([node], { kubeconfig: config });
      await eventually("the change arrives", 15_000, () => node.file(pod, "live", "key") === "three");
      assert.equal(node.created.size, 1);
      await harness.kubectl("delete", "pod", pod);
    });
  }

  it("renews tokens before they are old, and the old one works until then", async () => {
    const name = "renews";
    const node = await resolvingNode(name);
    const kubeconfig = await harness.cluster.kubeconfigFor(`system:node:${name}`, ["system:nodes"]);
    // 480 s of the token's 600 pass in 8 s.
    await using _kubelet = await harness.kubelet([node], { kubeconfig, clock: fastClock(60) });
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 600 } }];
    await run(
      name,
      name,
      {},
      { volumes: [{ name: "short", projected: { sources } }], automountServiceAccountToken: false },
    );
    await node.resolved(name);
    const first = node.file(name, "short", "token") ?? "";
    const begun = Date.now();
    await throughout("it is kept while it is fresh", 5000, () => node.file(name, "short", "token") === first);
    await eventually("a new one", 15_000, () => node.file(name, "short", "token") !== first);
    assert.ok(Date.now() - begun < 9500, "in time");
    const second = node.file(name, "short", "token") ?? "";
    for (const token of [first, second])
      assert.equal((await harness.client.review(tokenReviews, { spec: { token } })).status?.authenticated, true);
    await harness.kubectl("delete", "pod", name);
  });
});

/** Time that goes `factor` times as fast. */
function fastClock(factor: number): Clock {
  const begun = Date.now();
  return {
    now: () => begun + (Date.now() - begun) * factor,
    schedule(delayMs, callback) {
      const timer = setTimeout(callback, Math.min(Math.max(0, delayMs) / factor, 2 ** 31 - 1));
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
