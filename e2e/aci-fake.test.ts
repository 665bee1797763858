// The fake of Azure Resource Manager over real containers: what its groups report, log and run is what an engine did.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { AciClient, ArmCall } from "../packages/provider-aci/src/arm-client.ts";
import { parseAciConfig } from "../packages/provider-aci/src/config.ts";
import { backendOf } from "../packages/provider-aci/src/testing/aci-bench.ts";
import { clientOf } from "../packages/provider-aci/src/testing/arm-bench.ts";
import { FakeArm } from "../packages/provider-aci/src/testing/fake-arm.ts";
import { translateGroup } from "../packages/provider-aci/src/translate.ts";
import type { ContainerGroup } from "../packages/provider-aci/src/wire.ts";
import type { ContainerProperties } from "../packages/provider-aci/src/wire-containers.ts";
import type { SocketTerminal } from "../packages/virtual-kubelet/src/cloud/socket-terminal.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { resolvedRequests } from "../packages/virtual-kubelet/src/testing/resolved-requests.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script];

/** Holds 300 MB in its shell; 100 MB are allowed. */
const greedy = "x=$(head -c 300000000 /dev/zero | tr '\\0' a); exit 0";

function container(name: string, script: string, more: Partial<ContainerProperties> = {}) {
  const resources = { requests: { cpu: 0.1, memoryInGB: 0.1 } };
  return { name, properties: { image: benchImage, command: sh(script), resources, ...more } };
}

describe("the fake of Azure Resource Manager over an engine", () => {
  const parts = new AsyncDisposableStack();
  let runner: PodmanGroups;
  let fake: FakeArm;
  let client: AciClient;
  let call: ArmCall;

  before(async () => {
    runner = parts.use(new PodmanGroups(parts.use(await PodmanBench.start())));
    fake = parts.use(await FakeArm.start({ runner, logLines: 100 }));
    client = parts.use(clientOf(fake));
    call = { signal: AbortSignal.timeout(900_000), log: silentLogger };
  });

  after(() => parts.disposeAsync());

  async function make(name: string, properties: Partial<ContainerGroup["properties"]>): Promise<void> {
    const whole = { osType: "Linux", restartPolicy: "Never", containers: [], ...properties } as const;
    await client.createOrUpdate(name, { location: "westeurope", properties: whole }, call);
  }

  const reaches = (name: string, state: string): Promise<ContainerGroup> =>
    eventually(`${name} is ${state}`, 60_000, async () => {
      const group = await client.get(name, call);
      return group.properties.instanceView?.state === state ? group : undefined;
    });

  it("init containers go one after another, files and variables are there, exit codes are the containers' own", async () => {
    await make("job", {
      volumes: [
        { name: "work", emptyDir: {} },
        { name: "files", secret: { "a.txt": Buffer.from("secret file").toString("base64") } },
      ],
      initContainers: [
        {
          name: "first",
          properties: {
            image: benchImage,
            command: sh("echo one > /work/out"),
            volumeMounts: [{ name: "work", mountPath: "/work" }],
          },
        },
        {
          name: "second",
          properties: {
            image: benchImage,
            command: sh("echo two >> /work/out"),
            volumeMounts: [{ name: "work", mountPath: "/work" }],
          },
        },
      ],
      containers: [
        container("main", 'cat /work/out /files/a.txt; echo; echo "$PLAIN $HIDDEN"; exit 7', {
          environmentVariables: [
            { name: "PLAIN", value: "seen" },
            { name: "HIDDEN", secureValue: "unseen" },
          ],
          volumeMounts: [
            { name: "work", mountPath: "/work" },
            { name: "files", mountPath: "/files", readOnly: true },
          ],
        }),
      ],
    });
    const group = await reaches("job", "Failed");
    const state = group.properties.containers[0]?.properties.instanceView?.currentState;
    assert.equal(state?.exitCode, 7);
    assert.equal(state?.detailStatus, "Error");
    assert.equal(await client.listLogs("job", "main", {}, call), "one\ntwo\nsecret file\nseen unseen\n");
  });

  it("a Job's sidecar starts before its container and ends after it, for users that are not root, too", async () => {
    const config = parseAciConfig({ subscription: fake.subscription, resourceGroup: "group", region: fake.location });
    // Its container ends when it heeds TERM: it serves then.
    const serve = "mkdir /tmp/w; echo ok >/tmp/w/ok; httpd -p 8080 -h /tmp/w";
    const side = `trap 'echo end; exit 0' TERM; echo up; ${serve}; while :; do sleep 0.1; done`;
    const main = "until wget -q -O /dev/null http://127.0.0.1:8080/ok; do sleep 0.1; done; exit 4";
    const yaml = `
kind: Pod
metadata: {name: sidecar}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1234}
  initContainers:
    - {name: side, image: ${benchImage}, restartPolicy: Always, command: [/bin/sh, -c, "${side}"]}
  containers: [{name: main, image: ${benchImage}, command: [/bin/sh, -c, "${main}"]}]
`;
    const [request] = resolvedRequests(yaml, { node: "n", cluster: "c" });
    assert.ok(request !== undefined);
    const options = { config, clusterDomain: "cluster.local", operatingSystem: "linux" };
    await make("sidecar", translateGroup(request, options).group.properties);
    const { containers } = (await reaches("sidecar", "Failed")).properties;
    const codes = containers.map(({ properties }) => properties.instanceView?.currentState?.exitCode);
    assert.deepEqual(codes, [0, 4]);
    assert.equal(await client.listLogs("sidecar", "side", {}, call), "up\nend\n");
  });

  it("a ConfigMap's new content reaches a container that runs, of a user that is not root", async () => {
    const settings = { helperImage: benchImage, network: {} };
    const backend = backendOf(fake, { node: "n", cluster: "c", settings });
    const context = { signal: call.signal, log: silentLogger };
    const yaml = (content: string): string => `
kind: Pod
metadata: {name: changes}
spec:
  securityContext: {runAsUser: 1234}
  containers:
    - name: main
      image: ${benchImage}
      command: [/bin/sh, -c, "while :; do sleep 1; done"]
      volumeMounts: [{name: settings, mountPath: /settings, readOnly: true}]
  volumes: [{name: settings, configMap: {name: settings}}]
---
kind: ConfigMap
metadata: {name: settings}
data: {key: "${content}"}
`;
    const [before, after] = ["old", "new"].map(
      (content) => resolvedRequests(yaml(content), { node: "n", cluster: "c" })[0],
    );
    assert.ok(before !== undefined && after?.resolved !== undefined);
    const { id } = await backend.create(before, context);
    const ref = { owner: before.owner, id };
    const group = await eventually("it runs", 60_000, async () => {
      const [found] = await backend.describe([ref], context);
      return found?.containers[0]?.state.running === undefined ? undefined : found;
    });
    const read = async (): Promise<string> => {
      const stdout = new PassThrough();
      const io = { tty: false, stdout };
      const target = { group, container: "main" };
      const result = await backend.exec(target, ["cat", "/settings/key"], io, context);
      assert.equal(result.exitCode, 0);
      stdout.end();
      return text(stdout);
    };
    assert.equal(await read(), "old");
    await backend.updateVolumes(group, before, after.resolved.volumes, context);
    assert.equal(await read(), "new");
    await client.remove(id.slice(id.lastIndexOf("/") + 1), call);
  });

  it("a container beyond its memory is killed, and it is told", async () => {
    await make("greedy", {
      containers: [container("main", greedy)],
    });
    const group = await reaches("greedy", "Failed");
    assert.equal(group.properties.containers[0]?.properties.instanceView?.currentState?.exitCode, 137);
    assert.equal(group.properties.containers[0]?.properties.instanceView?.currentState?.detailStatus, "OOMKilled");
  });

  it("logs have their end only, and the times of the engine; containers of a group share localhost", async () => {
    await make("pair", {
      restartPolicy: "Always",
      containers: [
        container("server", "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 8080 -h /w"),
        container("client", "seq 1 500; until wget -qO- http://127.0.0.1:8080/ ; do sleep 0.2; done; exec sleep 1000"),
      ],
    });
    await reaches("pair", "Running");
    const log = await eventually("the client has read", 30_000, async () => {
      const text = await client.listLogs("pair", "client", { timestamps: true }, call);
      return text.includes("hello") ? text : undefined;
    });
    const lines = log.trimEnd().split("\n");
    assert.equal(lines.length, 100);
    assert.ok(lines.every((line) => /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z ./.test(line)));
  });

  async function read(terminal: SocketTerminal): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of terminal.output) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  it("exec is one program in a terminal of the size that was asked for, without arguments", async () => {
    const shell = await client.exec("pair", "server", { command: "/bin/sh", rows: 33, cols: 99 }, call);
    // The engine tells the size to what runs already.
    await shell.write(Buffer.from('until [ "$(stty size)" = "33 99" ]; do sleep 0.1; done\n'));
    await shell.write(Buffer.from("stty size; tty >/dev/null && echo is-a-terminal; echo $((6 * 7)) >&2; exit\n"));
    const output = await read(shell);
    assert.match(output, /33 99\r\nis-a-terminal\r\n42\r\n/);
    const arguments_ = await client.exec("pair", "server", { command: "/bin/ls /" }, call);
    assert.match(await read(arguments_), /no such file|not found/i);
  });

  it("attach gives what the container's own process writes from now on", async () => {
    await make("talker", {
      restartPolicy: "Always",
      containers: [container("main", "while true; do echo tick; sleep 0.2; done")],
    });
    await reaches("talker", "Running");
    const terminal = await client.attach("talker", "main", call);
    for await (const chunk of terminal.output) {
      assert.match(Buffer.from(chunk).toString(), /tick/);
      break;
    }
    await eventually("the session is over", 10_000, () => fake.sessions === 0);
  });

  it("figures are the engine's; nothing is left of what is removed", async () => {
    const from = Date.now() - 120_000;
    const series = await client.metrics("pair", { names: ["MemoryUsage"], from, byContainer: true }, call);
    assert.deepEqual(series.map((each) => each.container).sort(), ["client", "server"]);
    assert.ok(series.every((each) => (each.points[0]?.average ?? 0) > 10_000));
    await client.stop("talker", call);
    await reaches("talker", "Stopped");
    for (const { name = "" } of await client.list(call)) await client.remove(name, call);
    await eventually("all are gone", 60_000, async () => (await client.list(call)).length === 0);
    assert.deepEqual(runner.ids, []);
    assert.deepEqual(fake.problems, []);
  });
});
