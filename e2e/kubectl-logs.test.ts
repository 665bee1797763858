// kubectl logs with every option, across the end of a container, by the real kubectls through the real API server.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { type Ended, kubectlClients, runKubectl, startKubectl } from "./kubectl.ts";

let harness: Harness;
// The wire makes no difference to logs: one client of each version.
const clients = (await kubectlClients()).filter(({ name }) => name.endsWith("WebSocket"));

before(async () => {
  harness = await startHarness();
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock"]);
  await harness.nodeIsReady("vk", kubelet);
  const labels = { app: "ticker" };
  const ticking = { "log-interval": "100ms", "log-text": "tick", "log-lines": "20" };
  await harness.client.create(pods, podObject("ticker", { labels, mock: ticking }));
  await harness.client.create(pods, podObject("ticker-too", { labels, mock: ticking }));
  const restarting = { "run-time": "1s", "restart-delay": "100ms", "log-interval": "100ms", "exit-code": "3" };
  await harness.client.create(pods, podObject("restarting", { mock: restarting }));
  await harness.client.create(
    pods,
    podObject("several", {
      mock: { "log-interval": "100ms" },
      spec: {
        initContainers: [{ name: "setup", image: "example.com/app:1" }],
        containers: [
          { name: "first", image: "example.com/app:1" },
          { name: "second", image: "example.com/app:1" },
        ],
      },
    }),
  );
  await harness.client.create(pods, podObject("waiting", { mock: { "start-delay": "1h" } }));
  for (const name of ["ticker", "ticker-too", "restarting", "several"])
    await harness.untilPod("runs", name, 20_000, isRunning);
  await eventually("all twenty lines", 20_000, async () => lines(await logs("ticker")).length === 21);
});
after(() => harness?.[Symbol.asyncDispose]());

const [anyClient] = clients;
async function logs(...args: string[]): Promise<Ended> {
  assert.ok(anyClient);
  return runKubectl(harness, anyClient, ["logs", ...args]);
}
const text = (ended: Ended): string => {
  assert.equal(ended.code, 0, ended.stderr);
  return ended.stdout.toString();
};
const lines = (ended: Ended): readonly string[] => text(ended).split("\n").slice(0, -1);
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (.*)$/;

for (const client of clients)
  describe(client.name.replace(/ over.*/, ""), { timeout: 900_000 }, () => {
    const read = (...args: string[]): Promise<Ended> => runKubectl(harness, client, ["logs", ...args]);

    it("shows all, the last lines, and so many bytes", async () => {
      const all = lines(await read("ticker"));
      assert.equal(all.length, 21);
      assert.match(all[0] ?? "", /main/);
      assert.deepEqual(lines(await read("ticker", "--tail=3")), all.slice(-3));
      assert.deepEqual(lines(await read("ticker", "--tail=0")), []);
      assert.deepEqual(lines(await read("ticker", "--tail=-1")), all);
      assert.equal(text(await read("ticker", "--limit-bytes=10")), `${all.join("\n")}\n`.slice(0, 10));
    });

    it("shows times to the nanosecond, and what came since", async () => {
      const stamped = lines(await read("ticker", "--timestamps")).map((line) => stamp.exec(line));
      assert.equal(stamped.length, 21);
      const times = stamped.map((match) => match?.[1] ?? "");
      assert.ok(times.every((time) => time !== ""));
      assert.deepEqual(times, times.toSorted());
      const from = times[12] ?? "";
      // The API server passes whole seconds on.
      const since = `${from.slice(0, 19)}Z`;
      const expected = stamped.filter((match) => (match?.[1] ?? "") >= since.replace("Z", ".000000000Z"));
      assert.deepEqual(
        lines(await read("ticker", "--timestamps", `--since-time=${from}`)),
        expected.map((match) => match?.[0]),
      );
      assert.equal(lines(await read("ticker", "--since=1h")).length, 21);
      await eventually(
        "nothing in the last second",
        20_000,
        async () => lines(await read("ticker", "--since=1s")).length === 0,
      );
      const both = await read("ticker", "--since=1h", `--since-time=${since}`);
      assert.notEqual(both.code, 0);
    });

    it("follows until the container ends, and misses nothing", async () => {
      const name = `short-${clients.indexOf(client)}`;
      const mock = { "run-time": "3s", "log-interval": "50ms", "exit-code": "0" };
      await harness.client.create(pods, podObject(name, { mock, spec: { restartPolicy: "Never" } }));
      await harness.untilPod("runs", name, 20_000, isRunning);
      await using following = startKubectl(harness, client, "logs", "-f", name);
      const followed = lines(await following.ended);
      assert.deepEqual(followed, lines(await read(name)));
      assert.ok(followed.length >= 50, `${followed.length} lines`);
    });

    it("follows one run of a container that restarts at once: all of its lines, and none of the next", async () => {
      const name = `again-${clients.indexOf(client)}`;
      const mock = { "run-time": "1h", "log-interval": "50ms", "exit-code": "1" };
      await harness.client.create(pods, podObject(name, { mock }));
      const { status } = await harness.untilPod("runs", name, 20_000, isRunning);
      await using following = startKubectl(harness, client, "logs", "-f", name);
      await following.says(/run 1$/m);
      // Only now does it end, in a second; and the next run is let be.
      const seconds = (Date.now() - Date.parse(status?.startTime ?? "")) / 1000;
      const lasts = (runTime: string): Promise<unknown> =>
        harness.client.patchMeta(pods, { name, namespace: "default" }, "merge", {
          metadata: { annotations: { "mock.virtual-kubelet.io/run-time": runTime } },
        });
      await lasts(`${Math.ceil(seconds) + 1}s`);
      const restarted = await harness.untilPod("runs again", name, 20_000, ({ status }) =>
        (status?.containerStatuses ?? []).some(({ restartCount, state }) => restartCount === 1 && state?.running),
      );
      assert.equal(restarted.status?.containerStatuses?.[0]?.restartCount, 1);
      await lasts("1h");
      const followed = lines(await following.ended);
      assert.match(followed[0] ?? "", /run 1$/);
      assert.match(followed.at(-1) ?? "", /exiting with code 1/);
      assert.deepEqual(followed, lines(await read(name, "--previous")));
      await harness.client.delete(pods, { name, namespace: "default" });
    });

    it("shows the run before this one, and says when there was none", async () => {
      await harness.untilPod("has restarted", "restarting", 20_000, ({ status }) =>
        (status?.containerStatuses ?? []).some(({ restartCount = 0 }) => restartCount >= 1),
      );
      const previous = lines(await read("restarting", "--previous"));
      assert.match(previous.at(-1) ?? "", /3/, "its last line tells the exit code");
      const none = await read("ticker", "--previous");
      assert.equal(none.code, 1);
      assert.match(none.stderr, /previous terminated container "main" in pod "ticker" not found/);
    });

    it("shows several containers and several pods", async () => {
      assert.match(text(await read("several", "-c", "second", "--tail=1")), /./);
      const all = text(await read("several", "--all-containers", "--prefix"));
      for (const name of ["setup", "first", "second"]) assert.match(all, new RegExp(`\\[pod/several/${name}\\]`));
      const selected = text(await read("-l", "app=ticker", "--prefix", "--tail=2"));
      for (const name of ["ticker", "ticker-too"]) assert.match(selected, new RegExp(`\\[pod/${name}/main\\]`));
      assert.equal(selected.split("\n").length, 5);
    });

    it("says what has no log", async () => {
      const waiting = await read("waiting");
      assert.equal(waiting.code, 1);
      assert.match(waiting.stderr, /container "main" in pod "waiting" is waiting to start: ContainerCreating/);
      const nobody = await read("ticker", "-c", "nobody");
      assert.match(nobody.stderr, /container nobody is not valid for pod ticker/);
      const missing = await read("no-such-pod");
      assert.match(missing.stderr, /pods "no-such-pod" not found/);
    });
  });
