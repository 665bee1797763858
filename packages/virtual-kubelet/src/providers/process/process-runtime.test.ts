import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProcessBench, quiet } from "../../testing/process-bench.ts";

describe("a container in namespaces", () => {
  it("runs with its environment, user, volumes and names, and leaves exit code, log and message", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod({
      resolvConf: "nameserver 192.0.2.53\n",
      volumes: [
        { name: "scratch", type: "emptyDir", medium: "" },
        {
          name: "conf",
          type: "files",
          memory: true,
          files: [{ path: "a.txt", mode: 0o444, data: Buffer.from("one"), secret: true }],
        },
      ],
    });
    const ref = await bench.run(
      podUid,
      `M=${bench.directory}; echo "$GREETING"; id -u; hostname; cat /etc/resolv.conf /etc/hosts; cat $M/conf/a.txt; echo; echo x >$M/scratch/f && cat $M/again/f; echo bad >&2; echo $$; echo bye >/dev/termination-log; echo no >$M/conf/b || echo readonly; exit 7`,
      {
        env: [{ name: "GREETING", value: `it's "fine"\n$HOME` }],
        hosts: "127.0.0.1 localhost\n",
        mounts: [
          { volume: "scratch", mountPath: `${bench.directory}/again`, readOnly: false },
          { volume: "scratch", mountPath: `${bench.directory}/scratch`, readOnly: false },
          { volume: "conf", mountPath: `${bench.directory}/conf`, readOnly: true },
        ],
      },
    );
    const end = await bench.ended(ref);
    const log = await bench.log(ref);
    assert.deepEqual(
      log.filter((line) => line.startsWith("stdout")),
      [
        `it's "fine"`,
        "$HOME",
        "65534",
        "pod-a",
        "nameserver 192.0.2.53",
        "127.0.0.1 localhost",
        "one",
        "x",
        "1",
        "readonly",
      ].map((text) => `stdout F ${text}`),
    );
    assert.ok(log.includes("stderr F bad"));
    assert.equal(end.state, "exited");
    assert.equal(end.exitCode, 7);
    assert.equal(await bench.runtime.terminationMessage(ref, quiet), "bye\n");
  });

  it("is found again by another runtime over the same directory, running and ended", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod({ notes: { a: "1" } });
    const running = await bench.run(podUid, "echo up; sleep 1000", { notes: { b: "2" } });
    const ended = await bench.run(podUid, "echo over; exit 3", { name: "short" });
    await bench.ended(ended);
    const before = await bench.runtime.list(quiet);
    await bench.reopen();
    assert.deepEqual(await bench.runtime.list(quiet), before);
    assert.equal((await bench.container(running)).state, "running");
    assert.deepEqual(await bench.log(running), ["stdout F up"]);
    await bench.runtime.startContainer(running, quiet);
    await bench.runtime.startContainer(ended, quiet);
    assert.equal((await bench.container(ended)).exitCode, 3);
    await bench.runtime.stopContainer(running, { gracePeriodSeconds: 1 }, quiet);
    assert.equal((await bench.container(running)).exitCode, 137);
    assert.deepEqual(await bench.log(running), ["stdout F up"]);
  });
});
