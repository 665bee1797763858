// What the real kubectls make of exec and attach: debug with an ephemeral container, run that waits for its end, attach in a
// terminal, and commands in containers of every kind.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ContainerStatus, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { type Harness, isRunning, podObject, startHarness, tolerateVirtual } from "./harness.ts";
import { kubectlClients, runKubectl, startInTerminal, startKubectl } from "./kubectl.ts";

let harness: Harness;
const clients = await kubectlClients();
const image = "example.com/tools:1";

before(async () => {
  harness = await startHarness();
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock"]);
  await harness.nodeIsReady("vk", kubelet);
  await harness.client.create(pods, podObject("web"));
  const env = (value: string) => [{ name: "ROLE", value }];
  await harness.client.create(
    pods,
    podObject("kinds", {
      spec: {
        initContainers: [{ name: "sidecar", image, restartPolicy: "Always", env: env("sidecar") }],
        containers: [{ name: "main", image, env: env("main") }],
      },
    }),
  );
  await harness.client.create(
    pods,
    podObject("preparing", {
      mock: { "run-time.prepare": "1h" },
      spec: {
        initContainers: [{ name: "prepare", image, env: env("init") }],
        containers: [{ name: "main", image }],
      },
    }),
  );
  for (const name of ["web", "kinds"]) await harness.untilPod("runs", name, 20_000, isRunning);
  await harness.untilPod("prepares", "preparing", 20_000, ({ status }) =>
    (status?.initContainerStatuses ?? []).some(({ state }) => state?.running),
  );
});
after(() => harness?.[Symbol.asyncDispose]());

const ephemeral = (pod: Pod, name: string): ContainerStatus | undefined =>
  pod.status?.ephemeralContainerStatuses?.find((status) => status.name === name);

for (const client of clients)
  describe(client.name, { timeout: 900_000 }, () => {
    const id = clients.indexOf(client);

    it("debugs a pod with a container of its own, whose input it passes on", async () => {
      const name = `tools-${id}`;
      const debug = ["debug", "-i", "web", "--image", image, "--container", name, "--target", "main", "--", "cat"];
      await using debugging = startKubectl(harness, client, ...debug);
      debugging.write("hello\n");
      await debugging.says("hello");
      const left = await debugging.end("bye\n");
      assert.equal(left.code, 0, left.stderr);
      assert.match(left.stdout.toString(), /^hello\nbye\n$/m);
      // It goes on without its client, and can be used like any other.
      const pod = await harness.client.get(pods, { name: "web", namespace: "default" });
      assert.ok(ephemeral(pod, name)?.state?.running, JSON.stringify(pod.status));
      const command = await runKubectl(harness, client, ["exec", "web", "-c", name, "--", "hostname"]);
      assert.deepEqual([command.stdout.toString(), command.code], ["web\n", 0]);
    });

    it("debugs in a terminal, and the shell's exit is the container's", async () => {
      const name = `shell-${id}`;
      await using debugging = startInTerminal(
        harness,
        client,
        ...["debug", "-it", "web", "--image", image, "--container", name],
      );
      // The prompt may have come before kubectl was there.
      await debugging.says(/If you don't see a command prompt|\$ $/);
      debugging.write("echo I am $HOSTNAME\r");
      await debugging.says("I am web");
      debugging.write("exit 4\r");
      await debugging.ended;
      const pod = await harness.untilPod(
        "has ended the shell",
        "web",
        20_000,
        (each) => ephemeral(each, name)?.state?.terminated !== undefined,
      );
      assert.equal(ephemeral(pod, name)?.state?.terminated?.exitCode, 4);
      assert.ok(isRunning(pod));
    });

    it("runs a pod with its input, shows what it writes, ends as it does and deletes it", async () => {
      const overrides = JSON.stringify({ spec: { tolerations: [tolerateVirtual] } });
      const once = ["--rm", "-i", "--restart=Never", "--image", image, "--overrides", overrides, "--quiet"];
      const cat = await runKubectl(harness, client, ["run", `cat-${id}`, ...once, "--", "cat"], "all of it\n");
      assert.deepEqual([cat.code, cat.stdout.toString()], [0, "all of it\n"], cat.stderr);
      await harness.untilGone(pods, `cat-${id}`, 20_000);
      const script = "echo from $HOSTNAME\nexit 3\n";
      const shell = await runKubectl(harness, client, ["run", `sh-${id}`, ...once, "--", "sh"], script);
      assert.match(shell.stdout.toString(), new RegExp(`^from sh-${id}\n`), shell.stderr);
      assert.equal(shell.code, 3);
      await harness.untilGone(pods, `sh-${id}`, 20_000);
    });

    it("attaches to a terminal, leaves it and comes back; what ends there is the container", async () => {
      const name = `terminal-${id}`;
      const container = { stdin: true, tty: true };
      await harness.client.create(pods, podObject(name, { container, spec: { restartPolicy: "Never" } }));
      await harness.untilPod("runs", name, 20_000, isRunning);
      const attach = ["attach", "-it", name];
      {
        await using first = startInTerminal(harness, client, ...attach);
        await first.says(/If you don't see a command prompt|\$ $/);
        first.write("echo xxx\b\b\bone\r");
        await first.says(/^one\r$/m);
        first.child.kill("SIGKILL");
      }
      await using again = startInTerminal(harness, client, ...attach);
      await again.says(/If you don't see a command prompt|\$ $/);
      again.write("tty && exit 5\r");
      await again.ended;
      const ended = await harness.untilPod("has ended", name, 20_000, ({ status }) => status?.phase === "Failed");
      assert.equal(ended.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 5);
      assert.match(again.stdout, /^\/dev\/\S+\r$/m);
    });

    it("runs commands in a sidecar, and in an init container while it runs", async () => {
      for (const [pod, name, role] of [
        ["kinds", "sidecar", "sidecar"],
        ["kinds", "main", "main"],
        ["preparing", "prepare", "init"],
      ] as const) {
        const ended = await runKubectl(harness, client, ["exec", pod, "-c", name, "--", "printenv", "ROLE"]);
        assert.deepEqual([ended.stdout.toString(), ended.code], [`${role}\n`, 0], ended.stderr);
      }
      const early = await runKubectl(harness, client, ["exec", "preparing", "-c", "main", "--", "true"]);
      assert.equal(early.code, 1);
      assert.match(early.stderr, /container not found \("main"\)/);
    });
  });
