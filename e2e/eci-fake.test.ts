// The fake of Elastic Container Instance over real containers, driven by the vendor's SDK: what its groups report, log and run is what an
// engine did.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import * as sdk from "@alicloud/eci20180808";
import { Config } from "@alicloud/openapi-client";
import WebSocket from "ws";
import { FakeEci } from "../packages/provider-eci/src/testing/fake-eci.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const regionId = "cn-hangzhou";
type View = sdk.DescribeContainerGroupsResponseBodyContainerGroups;
type Parts = Partial<sdk.CreateContainerGroupRequestContainer>;

const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script];
/** Ends well on TERM. */
const patient = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const waiting = `echo ready; ${patient}`;

const container = (script: string, more: Parts & { readonly name?: string } = {}) =>
  new sdk.CreateContainerGroupRequestContainer({
    ...{ name: "main", image: benchImage, command: sh(script), cpu: 0.25, memory: 0.5, ...more },
  });

describe("the fake of ECI over an engine", () => {
  const parts = new AsyncDisposableStack();
  let runner: PodmanGroups;
  let fake: FakeEci;
  let client: InstanceType<typeof sdk.default.default>;

  before(async () => {
    runner = parts.use(new PodmanGroups(parts.use(await PodmanBench.start())));
    fake = parts.use(await FakeEci.start({ runner }));
    const [{ accessKeyId, accessKeySecret } = assert.fail("there are keys")] = fake.keys;
    const endpoint = fake.plainUrl.replace("http://", "");
    client = new sdk.default.default(
      new Config({ accessKeyId, accessKeySecret, endpoint, regionId, protocol: "HTTP" }),
    );
  });

  after(() => parts.disposeAsync());

  async function make(name: string, more: Partial<sdk.CreateContainerGroupRequest>): Promise<string> {
    const whole = { regionId, containerGroupName: name, restartPolicy: "Never", ...more };
    const { body } = await client.createContainerGroup(new sdk.CreateContainerGroupRequest(whole));
    return body?.containerGroupId ?? assert.fail("it has no id");
  }

  async function find(id: string): Promise<View | undefined> {
    const request = { regionId, containerGroupIds: JSON.stringify([id]), withEvent: true };
    const { body } = await client.describeContainerGroups(new sdk.DescribeContainerGroupsRequest(request));
    return body?.containerGroups?.[0];
  }

  const until = (what: string, id: string, holds: (view: View) => boolean): Promise<View> =>
    eventually(what, 60_000, async () => {
      const view = await find(id);
      return view !== undefined && holds(view) ? view : undefined;
    }).catch(async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await find(id))}`));
  const reaches = (id: string, status: string): Promise<View> =>
    until(`${status}`, id, (view) => view.status === status);

  async function log(id: string, more: Partial<sdk.DescribeContainerLogRequest> = {}): Promise<string> {
    const request = { regionId, containerGroupId: id, containerName: "main", ...more };
    return (await client.describeContainerLog(new sdk.DescribeContainerLogRequest(request))).body?.content ?? "";
  }

  async function remove(id: string): Promise<void> {
    await client.deleteContainerGroup(new sdk.DeleteContainerGroupRequest({ regionId, containerGroupId: id }));
    await eventually("it is gone", 60_000, async () => (await find(id)) === undefined);
  }

  it("init containers go one after another; files, modes, variables and the address are there; codes are the containers' own", async () => {
    const mount = (name: string, mountPath: string, more: object = {}) =>
      new sdk.CreateContainerGroupRequestContainerVolumeMount({ name, mountPath, ...more });
    const work = [new sdk.CreateContainerGroupRequestInitContainerVolumeMount({ name: "work", mountPath: "/work" })];
    const init = (name: string, script: string): sdk.CreateContainerGroupRequestInitContainer =>
      new sdk.CreateContainerGroupRequestInitContainer({
        ...{ name, image: benchImage, command: sh(script), volumeMount: work },
      });
    const file = (path: string, content: string, mode?: number) =>
      new sdk.CreateContainerGroupRequestVolumeConfigFileVolumeConfigFileToPath({
        ...{ path, content: Buffer.from(content).toString("base64"), ...(mode !== undefined && { mode }) },
      });
    const id = await make("job", {
      volume: [
        new sdk.CreateContainerGroupRequestVolume({ name: "work", type: "EmptyDirVolume" }),
        new sdk.CreateContainerGroupRequestVolume({
          ...{ name: "files", type: "ConfigFileVolume" },
          configFileVolume: new sdk.CreateContainerGroupRequestVolumeConfigFileVolume({
            configFileToPath: [file("a.txt", "of a file\n", 400), file("sub/b.txt", "below\n")],
          }),
        }),
      ],
      initContainer: [init("first", "sleep 0.3; echo one > /work/out"), init("second", "echo two >> /work/out")],
      container: [
        container(
          'cat /work/out /files/a.txt /sub/b.txt; stat -c %a /files/a.txt; echo "$PLAIN $ADDRESS"; echo bad >&2; exit 7',
          {
            environmentVar: [
              new sdk.CreateContainerGroupRequestContainerEnvironmentVar({ key: "PLAIN", value: "a b&c" }),
              new sdk.CreateContainerGroupRequestContainerEnvironmentVar({
                key: "ADDRESS",
                fieldRef: new sdk.CreateContainerGroupRequestContainerEnvironmentVarFieldRef({
                  fieldPath: "status.podIP",
                }),
              }),
            ],
            volumeMount: [
              ...[mount("work", "/work"), mount("files", "/files", { readOnly: true })],
              mount("files", "/sub", { subPath: "sub", readOnly: true }),
            ],
            terminationMessagePolicy: "FallbackToLogsOnError",
          },
        ),
      ],
    });
    const ended = await reaches(id, "Failed");
    const state = ended.containers?.[0]?.currentState;
    assert.equal(state?.exitCode, 7);
    assert.match(state?.message ?? "", /bad\n$/);
    assert.deepEqual(
      ended.initContainers?.map(({ currentState }) => currentState?.exitCode),
      [0, 0],
    );
    // What it ran on is given back; its log is still there.
    assert.deepEqual(runner.ids, []);
    assert.equal((await log(id)).replace("bad\n", ""), `one\ntwo\nof a file\nbelow\n400\na b&c ${ended.intranetIp}\n`);
    await remove(id);
  });

  it("a container that ends is started anew, and the log of its run before is told apart", async () => {
    const id = await make("again", {
      restartPolicy: "Always",
      container: [
        // The second run goes on, for as long as it is looked at.
        container(`if [ -e /again ]; then echo second; ${patient}; fi; echo first; : >/again; exit 3`),
      ],
    });
    const view = await until("has run again", id, ({ containers = [] }) => {
      const [main] = containers;
      return main?.restartCount === 1 && main.currentState?.state === "Running";
    });
    assert.equal(view.containers?.[0]?.previousState?.exitCode, 3);
    await eventually("it has written", 20_000, async () => (await log(id)) === "second\n");
    assert.equal(await log(id, { lastTime: true }), "first\n");
    assert.match(await log(id, { timestamps: true }), /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z second\n$/);
    await remove(id);
  });

  it("a container beyond its memory is killed, and it is told", async () => {
    const greedy = "x=$(head -c 400000000 /dev/zero | tr '\\0' a); exit 0";
    const id = await make("greedy", { container: [container(greedy, { memory: 0.1 })] });
    const { containers } = await reaches(id, "Failed");
    assert.equal(containers?.[0]?.currentState?.reason, "OOMKilled");
    await remove(id);
  });

  it("its kubelet asks probes and runs hooks: ready when it is, started anew when it is ill, its hook before TERM", async () => {
    // It ends with 5 where its hook was before TERM.
    const heed = "trap 'rm -f /ill; test -e /hooked && exit 5; exit 6' TERM";
    const server = `rm -f /hooked; ${heed}; mkdir -p /w; httpd -p 8080 -h /w; while :; do sleep 0.1; done`;
    const probe = { periodSeconds: 1, timeoutSeconds: 60, failureThreshold: 1 };
    const id = await make("probed", {
      ...{ restartPolicy: "Always", terminationGracePeriodSeconds: 20 },
      container: [
        container(server, {
          livenessProbe: new sdk.CreateContainerGroupRequestContainerLivenessProbe({
            ...probe,
            exec: new sdk.CreateContainerGroupRequestContainerLivenessProbeExec({
              command: ["test", "!", "-e", "/ill"],
            }),
          }),
          readinessProbe: new sdk.CreateContainerGroupRequestContainerReadinessProbe({
            ...probe,
            httpGet: new sdk.CreateContainerGroupRequestContainerReadinessProbeHttpGet({ path: "/ok", port: 8080 }),
          }),
          lifecyclePostStartHandlerExec: [...sh("echo started >> /proc/1/fd/1")],
          lifecyclePreStopHandlerExec: [...sh("touch /hooked")],
        }),
      ],
    });
    const running = await until("runs", id, ({ status }) => status === "Running");
    assert.equal(running.containers?.[0]?.ready, false);
    assert.equal(await sync(id, sh("until [ -d /w ]; do sleep 0.1; done; touch /w/ok")), "");
    await until("is ready", id, ({ containers }) => containers?.[0]?.ready === true);
    assert.match(await log(id), /started/);
    await sync(id, ["touch", "/ill"]);
    const anew = await until("was started anew", id, ({ containers = [] }) => {
      const [main] = containers;
      return main?.restartCount === 1 && main.ready === true;
    });
    assert.equal(anew.containers?.[0]?.previousState?.exitCode, 5);
    const group = fake.groups.find(id);
    await remove(id);
    assert.equal(group.container("main")?.current.ExitCode, 5);
    const told = group.events.all.map(({ reason }) => reason);
    for (const reason of ["Unhealthy", "Killing"]) assert.ok(told.includes(reason), told.join(" "));
    assert.ok(!told.includes("FailedPreStopHook"));
  });

  async function sync(id: string, command: readonly string[]): Promise<string> {
    const exec = { regionId, containerGroupId: id, containerName: "main", TTY: false, sync: true };
    const request = new sdk.ExecContainerCommandRequest({ ...exec, command: JSON.stringify(command) });
    return (await client.execContainerCommand(request)).body?.syncResponse ?? "";
  }

  it("a terminal over the socket takes what is typed; its address is good once", async () => {
    const id = await make("shell", { container: [container(waiting)] });
    await reaches(id, "Running");
    const exec = { regionId, containerGroupId: id, containerName: "main", command: "/bin/sh", TTY: true, stdin: true };
    const { body } = await client.execContainerCommand(new sdk.ExecContainerCommandRequest(exec));
    const uri = body?.webSocketUri ?? "";
    const socket = new WebSocket(uri);
    let shown = "";
    socket.on("message", (data) => {
      shown += String(data);
    });
    await once(socket, "open");
    socket.send(Buffer.from("tty >/dev/null && echo is-a-terminal; echo $((6 * 7)) >&2; exit\n"));
    const [code] = await once(socket, "close");
    assert.equal(code, 1000);
    assert.match(shown, /is-a-terminal\r\n42\r\n/);
    const again = new WebSocket(uri);
    const [error] = await once(again, "error");
    assert.match(String(error), /403/);
    await remove(id);
  });

  it("what spot takes back has expired, what is too long has failed, and an image that is not there is waited for", async () => {
    const spot = await make("spot", { spotStrategy: "SpotAsPriceGo", container: [container(waiting)] });
    const late = await make("late", { activeDeadlineSeconds: 3, container: [container(waiting)] });
    const missing = await make("missing", { container: [container("true", { image: "registry.example/none:1" })] });
    await reaches(spot, "Running");
    await fake.groups.find(spot).reclaim();
    const expired = await reaches(spot, "Expired");
    assert.equal(expired.containers?.[0]?.currentState?.exitCode, 137);
    assert.ok(expired.expiredTime !== undefined);
    const failed = await reaches(late, "Failed");
    assert.ok(failed.events?.some(({ reason }) => reason === "DeadlineExceeded"));
    const waits = await until("waits", missing, ({ containers }) => containers?.[0]?.currentState?.state === "Waiting");
    assert.equal(waits.status, "Pending");
    await until("says why", missing, ({ containers }) => containers?.[0]?.currentState?.reason === "ImagePullBackOff");
    for (const id of [spot, late, missing]) await remove(id);
  });

  it("figures are the engine's; nothing is left", async () => {
    const id = await make("busy", { container: [container("while :; do :; done")], terminationGracePeriodSeconds: 0 });
    await reaches(id, "Running");
    await eventually("it has used some", 20_000, async () => {
      const request = new sdk.DescribeContainerGroupMetricRequest({ regionId, containerGroupId: id });
      const [record] = (await client.describeContainerGroupMetric(request)).body?.records ?? [];
      return (
        (record?.containers?.[0]?.CPU?.usageCoreNanoSeconds ?? 0) > 50_000_000 &&
        (record?.memory?.workingSet ?? 0) > 10_000
      );
    });
    await remove(id);
    assert.deepEqual(runner.ids, []);
    assert.equal(fake.exec.open, 0);
    assert.deepEqual(fake.problems, []);
  });
});
