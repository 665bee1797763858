// Pods as processes of this machine, from the real control plane to the last process: what they refer to, kubectl's commands,
// Jobs, and the program killed under them. Needs root on Linux.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { configMaps, jobs, pods, type Stored, secrets } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ContainerStatus, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { ProcessBench } from "../packages/virtual-kubelet/src/testing/process-bench.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, isReady, isRunning, podObject, podTemplate, startHarness } from "./harness.ts";

const image = "registry.example/host:1";
let harness: Harness;
let bench: ProcessBench;
let program: ManagedProcess;

const start = async (): Promise<void> => {
  const file = await harness.writeFile("process.yaml", JSON.stringify(bench.config));
  program = await harness.program(["--nodename", bench.node, "--provider", "process", "--provider-config", file]);
  await harness.nodeIsReady(bench.node, program);
};
const sh = (script: string) => ({ name: "main", image, command: ["/bin/sh", "-c", script] });
const statusOf = (pod: Stored<Pod>, name = "main"): ContainerStatus => {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return (
    [...containerStatuses, ...initContainerStatuses].find((each) => each.name === name) ??
    assert.fail(`no status of ${name}`)
  );
};

before(async () => {
  harness = await startHarness();
  bench = new ProcessBench({ images: { [image]: "host" }, user: { uid: 65534, gid: 65534 } });
  await start();
});
after(async () => {
  // The last first; each of them, even where another fails.
  await using _bench = bench;
  await using opening = new AsyncDisposableStack();
  opening.defer(async () => {
    await bench?.open();
  });
  await using _harness = harness;
  await program?.kill("SIGKILL");
});

describe("pods as processes", { timeout: 900_000 }, () => {
  it("begin as the users and groups that they ask for, and no others, and say so", async () => {
    const securityContext = {
      ...{ runAsUser: 1234, runAsGroup: 4321, supplementalGroups: [6000] },
      supplementalGroupsPolicy: "Strict",
    };
    const spec = { securityContext, containers: [sh("id -u; id -G; sleep 1000")] };
    await harness.client.create(pods, podObject("who", { spec }));
    const pod = await harness.untilPod("runs", "who", 30_000, isRunning);
    const user = { linux: { uid: 1234, gid: 4321, supplementalGroups: [6000] } };
    assert.deepEqual(statusOf(pod).user, user);
    await eventually("its words", 10_000, async () => (await harness.kubectl("logs", "who")) === "1234\n4321 6000");
    await harness.kubectl("delete", "pod", "who", "--grace-period=1", "--timeout=300s");
  });

  it("wait for what they refer to, have it, and see it change; kubectl reads, runs, copies", async () => {
    await harness.client.create(configMaps, {
      metadata: { name: "conf", namespace: "default" },
      data: { text: "one" },
    });
    const volume = { name: "conf", configMap: { name: "conf" } };
    const mountPath = `${bench.directory}/conf`;
    await harness.client.create(
      pods,
      podObject("whole", {
        spec: {
          initContainers: [
            {
              ...sh("echo made >$SHARED/file"),
              name: "init",
              env: [{ name: "SHARED", value: `${bench.directory}/shared` }],
              volumeMounts: [{ name: "shared", mountPath: `${bench.directory}/shared` }],
            },
          ],
          containers: [
            {
              ...sh(
                `cat ${bench.directory}/shared/file; echo $PASSWORD | tr a-z A-Z; echo $POD_IP; while :; do sleep 0.2; done`,
              ),
              env: [
                { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "late", key: "password" } } },
                { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              ],
              volumeMounts: [
                { name: "conf", mountPath },
                { name: "shared", mountPath: `${bench.directory}/shared` },
              ],
              readinessProbe: {
                exec: { command: ["/bin/sh", "-c", `grep -q two ${mountPath}/text`] },
                periodSeconds: 1,
              },
            },
          ],
          volumes: [volume, { name: "shared", emptyDir: {} }],
        },
      }),
    );
    await harness.untilPod("is bound", "whole", 20_000, (pod) => pod.spec?.nodeName === bench.node);
    await harness.client.create(secrets, {
      metadata: { name: "late", namespace: "default" },
      stringData: { password: "hidden" },
    });
    await harness.untilPod("runs", "whole", 40_000, isRunning);
    await eventually(
      "its output",
      20_000,
      async () => (await harness.kubectl("logs", "whole")) === "made\nHIDDEN\n127.0.0.1",
    );
    assert.equal(isReady(await harness.untilPod("is there", "whole", 1000, () => true)), false);
    await harness.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "conf", namespace: "default" },
      data: { text: "two" },
    });
    await harness.untilPod("is ready by the new text", "whole", 90_000, isReady);
    assert.equal(await harness.kubectl("exec", "whole", "--", "cat", `${mountPath}/text`), "two");
    const token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert.match(await harness.kubectl("exec", "whole", "--", "cat", token), /^ey\S+\.\S+\.\S+$/);
  });

  it("go on while the program is killed, and are taken up: same container, no restart, no line lost", async () => {
    await harness.client.create(
      pods,
      podObject("steady", { container: sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done") }),
    );
    const before = await harness.untilPod("runs", "steady", 30_000, isRunning);
    const marker = `${bench.directory}/is-to-end`;
    const waiting = `until [ -e ${marker} ]; do sleep 0.1; done`;
    await harness.client.create(
      pods,
      podObject("ending", { spec: { restartPolicy: "Never", containers: [sh(`${waiting}; exit 7`)] } }),
    );
    await harness.untilPod("runs", "ending", 30_000, isRunning);
    await program.kill("SIGKILL");
    await writeFile(marker, "yes", { mode: 0o644 });
    await eventually(
      "the container ends without us",
      10_000,
      () => !bench.processes().some(({ command }) => command.includes("exit 7")),
    );
    await start();
    const ended = await harness.untilPod("has failed", "ending", 30_000, (pod) => pod.status?.phase === "Failed");
    assert.equal(statusOf(ended).state?.terminated?.exitCode, 7);
    const again = await harness.untilPod("runs", "steady", 30_000, isRunning);
    assert.deepEqual(
      [statusOf(again).containerID, statusOf(again).restartCount, statusOf(again).state],
      [statusOf(before).containerID, 0, statusOf(before).state],
    );
    const lines = await eventually("many lines", 20_000, async () => {
      const all = (await harness.kubectl("logs", "steady")).split("\n");
      return all.length > 60 && all;
    });
    assert.deepEqual(
      lines,
      lines.map((_, index) => `line ${index + 1}`),
    );
  });

  it("of a Job that fails once are made again, and its success is seen", async () => {
    const marker = `${bench.directory}/failed-once`;
    const template = podTemplate({
      spec: { restartPolicy: "Never", containers: [sh(`cat ${marker} 2>/dev/null && exit 0; exit 1`)] },
    });
    await harness.client.create(jobs, {
      metadata: { name: "twice", namespace: "default" },
      spec: { backoffLimit: 6, template },
    });
    await harness.until("has failed once", jobs, "twice", 40_000, ({ status }) => (status?.failed ?? 0) >= 1);
    await writeFile(marker, "yes", { mode: 0o644 });
    await harness.until("has succeeded", jobs, "twice", 60_000, ({ status }) => status?.succeeded === 1);
  });

  it("leave nothing when they are deleted", async () => {
    await harness.kubectl("delete", "jobs", "--all");
    await harness.kubectl("delete", "pods", "--all");
    await eventually("all is gone", 30_000, async () => (await harness.list(pods)).length === 0);
    const containers = (): readonly string[] =>
      bench
        .processes()
        .map(({ command }) => command)
        .filter((command) => command.includes("/containers/"));
    await eventually("no process is left", 10_000, () => containers().length === 0);
  });
});
