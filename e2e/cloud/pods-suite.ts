// What users do with pods on a cloud, by the real kubectl and control plane: the same for every provider, over a fake of its
// cloud that runs real containers.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { jobs, pods, type Stored } from "../../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, ContainerStatus, Pod, PodSpec } from "../../packages/virtual-kubelet/src/kube/types.gen.ts";
import { findKubectl } from "../../packages/virtual-kubelet/src/testing/binaries.ts";
import { eventually, isReady, podObject, podTemplate } from "../harness.ts";
import { aggregationArgs, approveServingCertificate, MetricsServer } from "../metrics-server-peer.ts";
import { CloudBench, type CloudWorld } from "./world.ts";

/** Clouds take their time, and the machine may be busy. */
const patience = 120_000;

/** Holds 48 MiB: nearly twice what the autoscaler is to keep it at. How much it gets of a busy processor would be chance. */
const holding = "trap 'exit 0' TERM; dd if=/dev/zero bs=48M count=1 | sleep 100000 & wait";

export function cloudPodsSuite(name: string, start: () => Promise<CloudWorld>): void {
  describe(`pods on ${name}`, { timeout: 600_000, concurrency: 1 }, () => {
    let bench: CloudBench;
    let metricsServer: MetricsServer;
    before(async () => {
      bench = await CloudBench.start(await start(), ["--server-tls-bootstrap"], { apiServerArgs: aggregationArgs });
      await approveServingCertificate(bench.harness);
      metricsServer = await MetricsServer.start(bench.harness);
      // Its figures take the longest to come: it is asked for last.
      await bench.harness.apply(
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name: "holder", namespace: "default" },
          spec: {
            selector: { matchLabels: { app: "holder" } },
            template: podTemplate({
              labels: { app: "holder" },
              spec: { containers: [sh(holding)] },
            }),
          },
        },
        {
          apiVersion: "autoscaling/v2",
          kind: "HorizontalPodAutoscaler",
          metadata: { name: "holder", namespace: "default" },
          spec: {
            ...{ minReplicas: 1, maxReplicas: 2 },
            scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "holder" },
            metrics: [
              {
                type: "Resource",
                resource: { name: "memory", target: { type: "Utilization", averageUtilization: 5 } },
              },
            ],
          },
        },
      );
    });
    after(async () => {
      await metricsServer?.[Symbol.asyncDispose]();
      await bench?.[Symbol.asyncDispose]();
    });

    const sh = (script: string, more: Partial<Container> = {}): Container => ({
      ...{ name: "main", image: bench.world.image, command: ["/bin/sh", "-c", script] },
      resources: { requests: { cpu: "250m", memory: "512Mi" } },
      ...more,
    });
    const run = async (podName: string, spec: Partial<PodSpec>): Promise<void> =>
      bench.harness.apply(podObject(podName, { spec }));
    const kubectl = (...args: string[]): Promise<string> => bench.harness.kubectl(...args);
    const until = (what: string, podName: string, holds: (pod: Stored<Pod>) => boolean): Promise<Stored<Pod>> =>
      bench.harness.untilPod(what, podName, patience, holds);

    it("a Deployment comes up with its init containers, ConfigMaps and Secrets", async () => {
      await kubectl("create", "configmap", "settings", "--from-literal=colour=green", "--from-literal=app.conf=a=1");
      await kubectl("create", "secret", "generic", "keys", "--from-literal=token=s3cret");
      const volumes: PodSpec["volumes"] = [
        { name: "settings", configMap: { name: "settings" } },
        { name: "keys", secret: { secretName: "keys" } },
        { name: "work", emptyDir: {} },
        {
          name: "about",
          downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] },
        },
      ];
      const volumeMounts = [
        { name: "settings", mountPath: "/etc/settings" },
        { name: "keys", mountPath: "/etc/keys", readOnly: true },
        { name: "work", mountPath: "/work" },
        { name: "about", mountPath: "/etc/about" },
      ];
      const spec: Partial<PodSpec> = {
        initContainers: [
          sh("echo one >/work/order", { name: "first", volumeMounts }),
          sh("echo two >>/work/order", { name: "second", volumeMounts }),
        ],
        containers: [
          sh(
            'echo "$COLOUR $TOKEN $(cat /etc/settings/app.conf) $(cat /etc/keys/token) $(cat /work/order | tr "\\n" ,)"; cat /etc/about/labels; trap "exit 0" TERM; while :; do sleep 1; done',
            {
              volumeMounts,
              env: [
                { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
                { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
              ],
            },
          ),
        ],
        volumes,
      };
      await bench.harness.apply({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web", namespace: "default" },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: "web" } },
          template: podTemplate({ labels: { app: "web" }, spec }),
        },
      });
      await kubectl("rollout", "status", "deployment/web", `--timeout=${patience / 1000}s`);
      const said = await kubectl("logs", "deployment/web");
      assert.match(said, /^green s3cret a=1 s3cret one,two,/m);
      assert.match(said, /app="web"/);
      const found = await bench.harness.list(pods, "app=web");
      assert.equal(found.length, 2);
      for (const { status } of found) {
        assert.deepEqual(
          status?.initContainerStatuses?.map(({ state }) => state?.terminated?.exitCode),
          [0, 0],
        );
        assert.match(status?.podIP ?? "", /^\d+\./);
        assert.equal(status?.containerStatuses?.[0]?.restartCount, 0);
      }
      const log = (await bench.program?.logTail(1_000_000)) ?? "";
      assert.ok(!log.includes("s3cret"), "a secret is in the log");
    });

    it("logs are followed to their end, line by line, none lost, none twice", async () => {
      await run("counter", {
        restartPolicy: "Never",
        containers: [sh("i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.2; done")],
      });
      await until("runs", "counter", ({ status }) => status?.phase === "Running");
      const followed = await kubectl("logs", "-f", "counter");
      const expected = Array.from({ length: 40 }, (_, index) => `line ${index + 1}`);
      assert.deepEqual(followed.split("\n"), expected);
      assert.deepEqual((await kubectl("logs", "counter", "--tail=2")).split("\n"), expected.slice(-2));
      const stamped = (await kubectl("logs", "counter", "--timestamps", "--tail=1")).split(" ");
      assert.ok(Math.abs(Date.parse(stamped[0] ?? "") - Date.now()) < patience, stamped.join(" "));
    });

    it("commands run in containers, with arguments, input and their exit code", async () => {
      await run("shell", { containers: [sh("trap 'exit 0' TERM; while :; do sleep 1; done")] });
      await until("runs", "shell", isReady);
      assert.equal(await kubectl("exec", "shell", "--", "echo", "a b", "c'd", '"$HOME"'), `a b c'd "$HOME"`);
      const { code } = await bench.harness.cluster.kubectl("exec", "shell", "--", "sh", "-c", "exit 42");
      assert.equal(code, 42);
      const text = Array.from({ length: 200 }, (_, index) => `some input, line ${index}`).join("\n");
      assert.equal(await piped(text, ["exec", "-i", "shell", "--", "wc", "-l"]), "199");
    });

    it("a Job succeeds, and one that fails says with which code", async () => {
      const job = (jobName: string, script: string): object => ({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: jobName, namespace: "default" },
        spec: {
          backoffLimit: 0,
          template: podTemplate({ spec: { restartPolicy: "Never", containers: [sh(script)] } }),
        },
      });
      await bench.harness.apply(job("good", "echo done"), job("bad", "echo no; exit 7"));
      await bench.harness.until("succeeds", jobs, "good", patience, ({ status }) => status?.succeeded === 1);
      await bench.harness.until("fails", jobs, "bad", patience, ({ status }) => status?.failed === 1);
      const [failed] = await bench.harness.list(pods, "job-name=bad");
      assert.equal(stateOf(failed)?.state?.terminated?.exitCode, 7);
      assert.equal(failed?.status?.phase, "Failed");
      assert.equal(await kubectl("logs", "job/bad"), "no");
    });

    it("a container that ends is restarted and counted; one whose image is not there says so", async () => {
      await run("again", { restartPolicy: "Always", containers: [sh("echo run; sleep 1; exit 3")] });
      const restarted = await until("restarts", "again", (pod) => (stateOf(pod)?.restartCount ?? 0) >= 1);
      if (bench.world.tellsLastCodes !== false) assert.equal(stateOf(restarted)?.lastState?.terminated?.exitCode, 3);
      await run("missing", { containers: [{ ...sh("true"), image: "registry.example/none:1" }] });
      const missing = await until("says so", "missing", (pod) =>
        /ImagePull/.test(stateOf(pod)?.state?.waiting?.reason ?? ""),
      );
      assert.equal(missing.status?.phase, "Pending");
    });

    it("probes decide who is ready, and who starts anew", async () => {
      const server = sh("mkdir -p /tmp/www; httpd -p 8080 -h /tmp/www; trap 'exit 0' TERM; while :; do sleep 1; done", {
        readinessProbe: { httpGet: { path: "/ok", port: 8080 }, periodSeconds: 1, failureThreshold: 1 },
        // A command goes through the cloud, which takes its time.
        livenessProbe: {
          exec: { command: ["test", "!", "-e", "/tmp/ill"] },
          ...{ periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 1 },
        },
      });
      await run("probed", { containers: [server] });
      await until("runs, not ready", "probed", (pod) => stateOf(pod)?.state?.running !== undefined && !isReady(pod));
      await kubectl("exec", "probed", "--", "touch", "/tmp/www/ok");
      await until("is ready", "probed", isReady);
      // With its container ends what is executed in it, perhaps before that could say how it went.
      await bench.harness.cluster.kubectl("exec", "probed", "--", "touch", "/tmp/ill");
      await until("starts anew", "probed", (pod) => (stateOf(pod)?.restartCount ?? 0) >= 1);
    });

    it("a deletion lets the container end by itself, within its grace", async () => {
      await run("graceful", {
        terminationGracePeriodSeconds: 30,
        containers: [sh("trap 'sleep 2; exit 9' TERM; while :; do sleep 0.2; done")],
      });
      await until("runs", "graceful", isReady);
      let last: Stored<Pod> | undefined;
      const watch = new AbortController();
      const seen = bench.harness.client.watch(pods, {
        ...{ namespace: "default", fieldSelector: "metadata.name=graceful", sendInitialEvents: true },
        signal: watch.signal,
      });
      const watching = (async () => {
        for await (const event of seen) {
          if (event.type === "BOOKMARK") continue;
          last = event.object;
          if (event.type === "DELETED") return;
        }
      })();
      const begun = Date.now();
      await kubectl("delete", "pod", "graceful");
      assert.ok(Date.now() - begun < 29_000, "it took all of its grace");
      await watching;
      watch.abort();
      assert.equal(stateOf(last)?.state?.terminated?.exitCode, 9);
    });

    it("kubectl top shows what pods use, and an autoscaler goes by it", async () => {
      await eventually("figures", patience, async () => (await metricsServer.top("pod", "-l", "app=holder")).size > 0);
      await eventually("a second one", patience, async () => {
        const found = await bench.harness.list(pods, "app=holder");
        return found.filter(isReady).length === 2;
      });
    });

    it("leaves nothing in the cloud when all is deleted", async () => {
      await kubectl("delete", "hpa", "--all");
      await bench.clean();
    });

    async function piped(input: string, args: readonly string[]): Promise<string> {
      const child = spawn(await findKubectl(), ["--kubeconfig", bench.harness.cluster.kubeconfig, ...args], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      child.stdin.end(input);
      let text = "";
      for await (const chunk of child.stdout) text += String(chunk);
      return text.trim();
    }
  });
}

const stateOf = (pod: Pod | undefined, name = "main"): ContainerStatus | undefined =>
  pod?.status?.containerStatuses?.find((status) => status.name === name);
