// Pods resolved against the real API server, as a node's own user under the Node authoriser and as a ServiceAccount with
// deploy/rbac.yaml: environment, volumes, tokens, waiting for what is missing, and changes that reach running pods.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pods, serviceAccounts, tokenReviews } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { LogRecorder } from "../packages/virtual-kubelet/src/testing/log-recorder.ts";
import { eventually, type Harness, isRunning, startHarness, throughout } from "./harness.ts";
import { jumpingClock } from "./jumping-clock.ts";
import { base64, environment, ResolvingCluster, resolvingNode, shown } from "./resolving-node.ts";

let harness: Harness;
let cluster: ResolvingCluster;

before(async () => {
  harness = await startHarness();
  cluster = new ResolvingCluster(harness);
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

const credentials: readonly (readonly [string, () => Promise<string>])[] = [
  ["node-user", () => harness.cluster.kubeconfigFor("system:node:node-user", ["system:nodes"])],
  ["account", () => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet")],
];

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

describe("resolved pods", { concurrency: true, timeout: 900_000 }, () => {
  for (const [name, kubeconfig] of credentials) {
    it(`environment, volumes and credentials; no secret is shown: ${name}`, async () => {
      const node = await resolvingNode(name);
      const log = new LogRecorder();
      await using _kubelet = await harness.kubelet([node], { kubeconfig: await kubeconfig(), log });
      const dns = "192.0.2.53";
      await cluster.configMap(`${name}-config`, { greeting: "hello", subject: "world", "file.txt": "text" });
      await cluster.secret(`${name}-secret`, { password: "s3cr3t-value", other: "s3cr3t-other" });
      const auths = { "registry.example.com/team": { auth: base64("user:s3cr3t-login") } };
      const pull = JSON.stringify({ auths });
      await cluster.secret(`${name}-pull`, { ".dockerconfigjson": pull }, "kubernetes.io/dockerconfigjson");
      const pod = await cluster.run(
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
      assert.match(shown(resolved.hosts) ?? "", /<status\.podIPs>\there\.there\.default\.svc\.cluster\.local\there\n/);

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
        const reasons = (await cluster.eventsOf(`${name}-all`)).map(({ reason }) => reason);
        return ["OptionalConfigMapNotFound", "OptionalSecretKeyNotFound", "FailedToRetrieveImagePullSecret"].every(
          (reason) => reasons.includes(reason),
        );
      });
      // A token no longer works once its pod is gone, and nothing of any secret was written anywhere.
      const told = JSON.stringify([
        await harness.find(pods, `${name}-all`),
        await cluster.eventsOf(`${name}-all`),
        log.lines,
      ]);
      assert.match(told, /contents|createPod|registered/);
      for (const hidden of ["s3cr3t", base64("s3cr3t-value"), base64("user:s3cr3t-login"), token, token.split(".")[2]])
        assert.ok(hidden !== undefined && !told.includes(hidden));
      await harness.kubectl("delete", "pod", `${name}-all`);
      await eventually("the token is worth nothing", 15_000, async () => !(await review(token)).status?.authenticated);
    });
  }

  it("has the ServiceAccount's pull secrets, and refuses what cannot be done", async () => {
    const node = await resolvingNode("pulls");
    const kubeconfig = await harness.cluster.kubeconfigFor("system:node:pulls", ["system:nodes"]);
    await using _kubelet = await harness.kubelet([node], { kubeconfig });
    const login = { username: "ann", password: "s3cr3t" };
    const auths = JSON.stringify({ "https://r.example.com/v2/": login });
    await cluster.secret("puller-pull", { ".dockercfg": auths }, "kubernetes.io/dockercfg");
    await harness.client.create(serviceAccounts, {
      metadata: { name: "puller", namespace: "default" },
      imagePullSecrets: [{ name: "puller-pull" }],
    });
    await cluster.run("pulls", "pulls", {}, { serviceAccountName: "puller" });
    const { imageCredentials } = await node.resolved("pulls");
    assert.deepEqual(imageCredentials, [{ registry: "r.example.com", ...login }]);

    const fileKeyRef = { volumeName: "dir", path: "env", key: "KEY" };
    const volumes = [{ name: "dir", emptyDir: {} }];
    await cluster.run("files", "pulls", { env: [{ name: "KEY", valueFrom: { fileKeyRef } }] }, { volumes });
    const refused = await harness.untilPod("refused", "files", 15_000, ({ status }) => status?.phase === "Failed");
    assert.equal(refused.status?.reason, "PodFeatureUnsupported");
    assert.match(refused.status?.message ?? "", /spec\.containers\[0\]\.env\[0\]\.valueFrom\.fileKeyRef/);
    assert.ok(!node.created.has("files"));
  });

  it("renews tokens before they are old, and the old one works until then", async () => {
    const name = "renews";
    const node = await resolvingNode(name);
    const kubeconfig = await harness.cluster.kubeconfigFor(`system:node:${name}`, ["system:nodes"]);
    const clock = jumpingClock();
    await using _kubelet = await harness.kubelet([node], { kubeconfig, clock });
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 600 } }];
    await cluster.run(
      name,
      name,
      {},
      { volumes: [{ name: "short", projected: { sources } }], automountServiceAccountToken: false },
    );
    await node.resolved(name);
    const first = node.file(name, "short", "token") ?? "";
    // Due after 480 s of its 600, up to 10 s earlier.
    clock.jump(400_000);
    await throughout("it is kept while it is fresh", 1500, () => node.file(name, "short", "token") === first);
    clock.jump(80_000);
    await eventually("a new one", 15_000, () => node.file(name, "short", "token") !== first);
    const second = node.file(name, "short", "token") ?? "";
    for (const token of [first, second])
      assert.equal((await harness.client.review(tokenReviews, { spec: { token } })).status?.authenticated, true);
    await harness.kubectl("delete", "pod", name);
  });
});
