// The program with Fargate, as users see it where Fargate is not as the other clouds: restarts, claims, files of
// running pods. Its containers are real ones.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import type { Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ContainerStatus, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { CloudBench } from "./cloud/world.ts";
import { eventually, isReady, podObject } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const patience = 60_000;

describe("the program with Fargate", () => {
  let world: FargateWorld;
  let bench: CloudBench;
  before(async () => {
    const podman = await PodmanBench.start();
    const dispose = (): Promise<void> => podman[Symbol.asyncDispose]();
    world = await FargateWorld.start(new PodmanGroups(podman), benchImage, benchImage, dispose, 2500);
    bench = await CloudBench.start(world);
  });
  after(async () => bench?.[Symbol.asyncDispose]());

  const quick = { terminationGracePeriodSeconds: 2 };
  const run = (name: string, script: string): Promise<void> =>
    bench.harness.apply(
      podObject(name, {
        spec: { ...quick, containers: [{ name: "main", image: benchImage, command: ["sh", "-c", script] }] },
      }),
    );
  const until = async (
    what: string,
    name: string,
    holds: (status: ContainerStatus) => boolean,
  ): Promise<ContainerStatus> => {
    const pod: Stored<Pod> = await bench.harness.untilPod(what, name, patience, ({ status }) => {
      const [main] = status?.containerStatuses ?? [];
      return main !== undefined && holds(main);
    });
    const [main] = pod.status?.containerStatuses ?? [];
    assert.ok(main !== undefined);
    return main;
  };

  it("counts restarts on after a SIGKILL, those of ECS and those of tasks that are run again, with what is left of them", async () => {
    // ECS starts those again that ran for 2.5 seconds here; the tasks of the others are run again.
    await run("steady", "sleep 3; exit 3");
    await run("crashing", "echo tried; exit 4");
    const once = { name: "once", image: benchImage, command: ["sh", "-c", "echo worked"] };
    const flaky = { name: "flaky", image: benchImage, command: ["sh", "-c", "echo failed; exit 5"] };
    const spec = { ...quick, restartPolicy: "OnFailure", containers: [once, flaky] };
    await bench.harness.apply(podObject("halfway", { spec }));
    const before = await until("was restarted", "steady", ({ restartCount }) => restartCount >= 1);
    assert.ok(before.lastState?.terminated !== undefined);
    const crashed = await until("backs off", "crashing", ({ state }) => state?.waiting?.reason === "CrashLoopBackOff");
    assert.equal(crashed.lastState?.terminated?.exitCode, 4);
    await bench.program?.kill("SIGKILL");
    await bench.begin();
    const first = await until("goes on", "steady", ({ restartCount }) => restartCount > before.restartCount);
    assert.equal(first.restartCount, before.restartCount + 1);
    const again = await until("was run again", "crashing", ({ restartCount }) => restartCount >= 1);
    assert.equal(again.restartCount, 1);
    assert.equal(again.lastState?.terminated?.exitCode, 4);
    assert.equal(await bench.harness.kubectl("logs", "crashing", "--previous", "--tail=1"), "tried");
    const halfway = await bench.harness.untilPod("has the failed one run again", "halfway", patience, ({ status }) =>
      (status?.containerStatuses ?? []).some(({ name, restartCount }) => name === "flaky" && restartCount >= 1),
    );
    const done = halfway.status?.containerStatuses?.find(({ name }) => name === "once");
    assert.deepEqual([done?.state?.terminated?.reason, done?.restartCount], ["Completed", 0]);
    assert.equal(await bench.harness.kubectl("logs", "halfway", "-c", "once"), "worked");
    assert.equal(await bench.harness.kubectl("logs", "halfway", "-c", "flaky", "--previous", "--tail=1"), "failed");
    assert.equal(await bench.harness.kubectl("get", "pods", "--field-selector=status.phase=Failed", "-o", "name"), "");
    await bench.harness.kubectl("delete", "pods", "--all", "--wait=false");
  });

  it("brings changed ConfigMaps and Secrets to running pods, and shows what a container writes to who attaches", async () => {
    const map = (colour: string): object => ({
      ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "default" } },
      data: { colour },
    });
    const script = "trap 'exit 0' TERM; while :; do cat /etc/settings/colour; echo; sleep 0.5; done";
    const main = {
      ...{ name: "main", image: benchImage, command: ["sh", "-c", script] },
      volumeMounts: [{ name: "settings", mountPath: "/etc/settings" }],
    };
    const volumes = [{ name: "settings", configMap: { name: "settings" } }];
    await bench.harness.apply(map("green"), podObject("painted", { spec: { ...quick, containers: [main], volumes } }));
    await bench.harness.untilPod("runs", "painted", patience, isReady);
    await eventually("the first colour", patience, async () =>
      (await bench.harness.kubectl("logs", "painted")).startsWith("green"),
    );
    await bench.harness.kubectl("patch", "configmap", "settings", "-p", '{"data": {"colour": "red"}}');
    await eventually(
      "the second colour",
      patience,
      async () => (await bench.harness.kubectl("logs", "painted", "--tail=1")) === "red",
    );
    assert.match(await bench.harness.kubectl("exec", "painted", "--", "cat", "/etc/settings/colour"), /^red$/);
    const attached = spawn(await findKubectl(), [
      "--kubeconfig",
      bench.harness.cluster.kubeconfig,
      "attach",
      "painted",
    ]);
    const ended = once(attached, "exit");
    let shown = "";
    attached.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
    await eventually("attach shows it", patience, () => shown.includes("red"));
    assert.doesNotMatch(shown, /green/, "from then on");
    await bench.harness.kubectl("delete", "pod", "painted");
    await ended;
  });

  it("mounts what a claim is bound to, where that is of EFS", async () => {
    const volume = (name: string, driver: string, volumeHandle: string): readonly object[] => {
      const common = { accessModes: ["ReadWriteMany"], storageClassName: "" };
      const csi = { driver, volumeHandle };
      const metadata = { name, namespace: "default" };
      const resources = { requests: { storage: "1Gi" } };
      return [
        {
          ...{ apiVersion: "v1", kind: "PersistentVolume", metadata: { name: `pv-${name}` } },
          spec: { ...common, capacity: { storage: "1Gi" }, csi },
        },
        {
          ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata },
          spec: { ...common, volumeName: `pv-${name}`, resources },
        },
      ];
    };
    const pod = (claimName: string): object =>
      podObject(claimName, {
        spec: {
          containers: [
            {
              name: "main",
              image: benchImage,
              command: ["sleep", "600"],
              volumeMounts: [{ name: "data", mountPath: "/data" }],
            },
          ],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
        },
      });
    await bench.harness.apply(
      ...volume("shared", "efs.csi.aws.com", "fs-0123abcd::fsap-0123abcd"),
      ...volume("disk", "ebs.csi.aws.com", "vol-1"),
      ...[pod("shared"), pod("disk")],
    );
    await bench.harness.untilPod("runs", "shared", patience, isReady);
    const definitions = [...world.fake.tasks.all.values()].map(({ definition }) => definition.volumes?.[0]);
    const [configuration] = definitions.flatMap((each) => each?.efsVolumeConfiguration ?? []);
    assert.equal(configuration?.fileSystemId, "fs-0123abcd");
    assert.equal(configuration?.authorizationConfig?.accessPointId, "fsap-0123abcd");
    const refused = await bench.harness.untilPod(
      "is refused",
      "disk",
      patience,
      ({ status }) => status?.phase === "Failed",
    );
    assert.match(refused.status?.message ?? "", /spec\.volumes\[0\]\.persistentVolumeClaim.*not of ebs\.csi\.aws\.com/);
    await bench.clean();
  });
});
