// kubectl top, by an unmodified metrics-server, of pods that are processes of this machine: what they really use, and no more
// than they may. Needs root on Linux, and control groups.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "./harness.ts";
import { aggregationArgs, approveServingCertificate, MetricsServer } from "./metrics-server-peer.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

let semantics: ProcessSemantics;
let metricsServer: MetricsServer;

before(async () => {
  semantics = await startProcesses({ cgroups: "required" }, ["--server-tls-bootstrap"], {
    apiServerArgs: aggregationArgs,
  });
  await approveServingCertificate(semantics.harness);
  metricsServer = await MetricsServer.start(semantics.harness);
});
after(async () => {
  await using _semantics = semantics;
  await metricsServer?.[Symbol.asyncDispose]();
});

const millis = (text = ""): number => Number(/^(\d+)m$/.exec(text)?.[1] ?? Number.NaN);
const mebibytes = (text = ""): number => Number(/^(\d+)Mi$/.exec(text)?.[1] ?? Number.NaN);

describe("kubectl top of processes", { timeout: 900_000 }, () => {
  it("shows the cpu and memory of each container, and of the node", async () => {
    const busy = semantics.container("busy", "burns", "while :; do :; done", {
      resources: { requests: { cpu: "50m" }, limits: { cpu: "200m" } },
    });
    const idle = semantics.container("busy", "idles", "exec sleep 100000");
    // 40 MiB that are written to.
    const holds = semantics.container("holds", "main", `exec perl -e '$held = "x"; $held x= 40 << 20; sleep 100000'`);
    await semantics.run("busy", { containers: [busy, idle] });
    await semantics.run("holds", { containers: [holds] });
    for (const name of ["busy", "holds"])
      await semantics.until("runs", name, ({ status }) => status?.phase === "Running");

    let shown = "";
    const row = async (container: string): Promise<readonly string[]> => {
      const lines =
        (await metricsServer.top("pod", "--containers")).size > 0
          ? (await semantics.harness.kubectl("top", "pod", "--containers", "--no-headers")).split("\n")
          : [];
      shown = lines.join("\n");
      return (
        lines
          .map((line) => line.split(/\s+/))
          .find((cells) => cells[1] === container)
          ?.slice(2) ?? []
      );
    };
    await eventually("its limit is what it uses", 120_000, async () => {
      const used = millis((await row("burns"))[0]);
      assert.ok(!(used > 230), shown);
      // Others on this machine may hold it back.
      return used >= 100;
    }).catch((error: unknown) => assert.fail(`${String(error)}\n${shown}`));
    assert.ok(millis((await row("idles"))[0]) <= 10, shown);
    const held = mebibytes((await row("main"))[1]);
    assert.ok(held >= 40 && held < 100, shown);

    const [cpu, , memory] = await eventually("the node", 60_000, async () =>
      (await metricsServer.top("node")).get(semantics.subject.bench.node),
    );
    assert.ok(millis(cpu) >= 100, cpu);
    assert.ok(mebibytes(memory) > held, memory);
  });
});
