// The part of a day that is about pods and nodes that run: logs, commands, files, ports, rights, a drain, figures.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { it } from "node:test";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { type DayUser, script, soon, talk, tolerations } from "./dev-day-user.ts";
import { eventually } from "./harness.ts";
import { startKubectl } from "./kubectl.ts";

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec: {group: example.com, scope: Namespaced, names: {plural: foos, kind: Foo}, versions: []}
`;

export interface ControlPlaneTraits {
  /** Whether something serves metrics.k8s.io. */
  readonly metrics: boolean;
  /** Whether custom resources are refused. */
  readonly onlyBuiltIns: boolean;
}

export function operationSteps(user: DayUser, has: ControlPlaneTraits): void {
  const { client, namespace, bench, run, says, apply, applied, here, podOf, web } = user;

  it("reads logs, also of the run before, and follows them", async () => {
    const again =
      '[ -e "$HOME/ran" ] || { echo first; touch "$HOME/ran"; exit 1; }; echo second; while :; do sleep 0.1; done';
    const home = join(bench().subject.directory, namespace);
    mkdirSync(home);
    chmodSync(home, 0o777);
    await applied(podOf("again", again.replaceAll("$HOME", home)));
    await says("wait", "pod/again", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=300s");
    await eventually("its log", 20_000, async () => (await run(["logs", "again"])).stdout.toString() === "second\n");
    assert.equal(await says("logs", "again", "--previous"), "first");
    await applied(podOf("ends", "for i in 1 2 3; do echo $i; sleep 0.3; done", { restartPolicy: "Never" }));
    await says("wait", "pod/ends", "--for=jsonpath={.status.phase}", "--timeout=300s");
    await eventually("it has begun", 20_000, async () => (await run(["logs", "ends"])).code === 0);
    assert.equal(await says("logs", "-f", "ends"), "1\n2\n3");
    await soon("its end", async () => assert.match(await says("get", "pod", "ends"), /ends +0\/1 +Completed/));
    const missing = await run(["logs", "again", "-c", "none"]);
    assert.match(missing.stderr, /container none is not valid for pod again/);
  });

  it("runs commands, copies files, and reaches ports", async () => {
    const port = await freePort();
    const serve = `exec ${process.execPath} -e 'require("http").createServer((_, r) => r.end("served\\n")).listen(${port}, "127.0.0.1", () => console.log("up"))'`;
    await applied(podOf("server", serve));
    await says("wait", "pod/server", "--for=condition=Ready", "--timeout=300s");
    await eventually("it serves", 20_000, async () => (await run(["logs", "server"])).stdout.toString() === "up\n");
    const failed = await run(["exec", "server", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert.deepEqual([failed.stdout.toString(), failed.code], ["out\n", 7]);
    assert.match(failed.stderr, /^err$/m);
    assert.equal((await run(["exec", "-i", "server", "--", "cat"], "typed")).stdout.toString(), "typed");
    const folder = join(bench().subject.directory, namespace);
    await says("cp", "package.json", `server:${folder}/copied`);
    await says("cp", `server:${folder}/copied`, join(folder, "back"));
    assert.equal(readFileSync(join(folder, "back"), "utf8"), readFileSync("package.json", "utf8"));
    await using forwarding = startKubectl(
      bench().harness,
      client,
      "--namespace",
      namespace,
      "port-forward",
      "pod/server",
      `:${port}`,
    );
    await forwarding.says(/Forwarding from 127\.0\.0\.1:\d+/);
    const local = /127\.0\.0\.1:(\d+)/.exec(forwarding.stdout)?.[1];
    assert.equal(await fetched(`http://127.0.0.1:${local}/`), "served\n");
    await says("delete", "pod", "server");
  });

  it("asks what it may do, as itself and as another", async () => {
    assert.equal(await says("auth", "can-i", "create", "pods"), "yes");
    const other = await run(["auth", "can-i", "list", "secrets", "--as", "somebody"]);
    assert.deepEqual([other.stdout.toString().trim(), other.code], ["no", 1]);
    assert.match(await says("auth", "whoami"), /system:masters/);
    const token = await says("create", "token", "default", "--duration=1h");
    const asked = ["--token", token, "--kubeconfig", "/dev/null", "--server", bench().harness.cluster.server];
    const who = await run([...asked, "--certificate-authority", bench().harness.cluster.caFile, "auth", "whoami"]);
    assert.match(who.stdout.toString(), new RegExp(`system:serviceaccount:${namespace}:default`), who.stderr);
  });

  it("drains a node within a budget, and gives it back", async () => {
    const kept = { ...web(), metadata: { name: "kept" } };
    const template = {
      metadata: { labels: { app: "kept" } },
      spec: {
        tolerations,
        terminationGracePeriodSeconds: 1,
        containers: [script(talk)],
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 100,
                preference: {
                  matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [bench().subject.node] }],
                },
              },
            ],
          },
        },
      },
    };
    await applied({ ...kept, spec: { replicas: 2, selector: { matchLabels: { app: "kept" } }, template } });
    await says("rollout", "status", "deployment/kept", "--timeout=300s");
    await says("create", "poddisruptionbudget", "kept", "--selector=app=kept", "--min-available=1");
    await says("wait", "pdb/kept", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=300s");
    await says("delete", "deployment", "web");
    await says("cordon", bench().subject.node);
    assert.match(await says("get", "node", bench().subject.node), /Ready,SchedulingDisabled/);
    const drained = await says(
      "drain",
      bench().subject.node,
      "--force",
      "--delete-emptydir-data",
      "--pod-selector=app=kept",
      "--timeout=300s",
    );
    assert.match(drained, new RegExp(`node/${bench().subject.node} drained$`, "m"));
    await says("rollout", "status", "deployment/kept", "--timeout=300s");
    const nodes = await says("get", "pods", "-l", "app=kept", "-o", "jsonpath={.items[*].spec.nodeName}");
    assert.deepEqual([...new Set(nodes.split(" "))], ["spare"]);
    assert.equal(await says("uncordon", bench().subject.node), `node/${bench().subject.node} uncordoned`);
    await says("patch", "pdb", "kept", "-p", '{"spec":{"minAvailable":2}}');
    await says("wait", "pdb/kept", "--for=jsonpath={.status.disruptionsAllowed}=0", "--timeout=300s");
    const name = await says("get", "pods", "-l", "app=kept", "-o", "jsonpath={.items[0].metadata.name}");
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
    const held = await run(["create", "--raw", path, "-f", "-"], JSON.stringify(eviction));
    assert.equal(held.code, 1);
    assert.match(held.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
  });

  if (has.metrics)
    it("sees what is used", async () => {
      const top = async (pattern: RegExp, ...args: readonly string[]): Promise<unknown> =>
        eventually(`kubectl top ${args.join(" ")}`, 30_000, async () =>
          pattern.test((await run(["top", ...args])).stdout.toString()),
        );
      await top(new RegExp(`^${bench().subject.node} +\\d+m +\\d+% +\\d+Mi +\\d+%`, "m"), "nodes");
      await top(/^again +\d+m +\d+Mi/m, "pods", "again");
    });

  if (has.metrics)
    it("has more pods made where there is more to do", async () => {
      const busy = { ...script("while :; do :; done"), resources: { requests: { cpu: "10m" } } };
      const template = {
        metadata: { labels: { app: "busy" } },
        spec: { tolerations, nodeSelector: here(), terminationGracePeriodSeconds: 1, containers: [busy] },
      };
      const spec = { selector: { matchLabels: { app: "busy" } }, template };
      await applied({ ...web(), metadata: { name: "busy" }, spec });
      await says("rollout", "status", "deployment/busy", "--timeout=300s");
      const target = { type: "Utilization", averageUtilization: 50 };
      await applied({
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name: "busy" },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "busy" },
          maxReplicas: 2,
          metrics: [{ type: "Resource", resource: { name: "cpu", target } }],
        },
      });
      await says("wait", "deployment/busy", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=300s");
      await soon("its figures", async () =>
        assert.match(await says("get", "hpa", "busy"), /^busy +Deployment\/busy +cpu: \d+%\/50% +1 +2 +/m),
      );
      await says("delete", "hpa,deployment", "busy");
    });

  if (has.onlyBuiltIns)
    it("is told that there are no custom resources", async () => {
      const { code, stderr } = await apply(definition);
      assert.equal(code, 1);
      assert.match(stderr, /there are no custom resources, only the built-in ones/);
    });
}

async function fetched(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get(url, (response) => {
    response.toArray().then((chunks: Buffer[]) => resolve(Buffer.concat(chunks).toString()), reject);
  }).once("error", reject);
  return promise;
}
