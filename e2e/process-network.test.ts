// Pods that are processes in networks of their own, on a bridge that the test makes and removes, as the API server sees them; and
// one that takes more of the disk than it may. Needs root on Linux.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { benchRange } from "../packages/virtual-kubelet/src/testing/process-bench.ts";
import { eventually } from "./harness.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

const range = benchRange();
let semantics: ProcessSemantics;

before(async () => {
  semantics = await startProcesses({ network: "private", podCIDR: `${range}.0/28` });
});
after(async () => {
  await semantics?.[Symbol.asyncDispose]();
});

const serve = (word: string): string =>
  `exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5) or die $!; while ($c = $s->accept) { print $c "${word}\\n"; close $c }'`;

describe("processes in networks of their own", { timeout: 900_000 }, () => {
  it("listen at one port, are probed there, and are reached at the address in their status", async () => {
    const addresses = new Set<string>();
    for (const name of ["first", "second"]) {
      const container = semantics.container(name, "main", serve(name), {
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      });
      await semantics.run(name, { containers: [container] });
    }
    for (const name of ["first", "second"]) {
      const { status } = await semantics.until(
        "is ready",
        name,
        (pod) => pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true,
      );
      const { podIP = "" } = status ?? {};
      assert.ok(podIP.startsWith(`${range}.`), podIP);
      addresses.add(podIP);
      const socket = connect({ host: podIP, port: 8080 });
      await once(socket, "connect");
      assert.equal(await text(socket), `${name}\n`);
    }
    assert.equal(addresses.size, 2);
    for (const name of ["first", "second"]) await semantics.remove(name, 1);
    await eventually("their links are gone", 10_000, () => semantics.subject.bench.links().length === 0);
  });

  it("are evicted when a volume exceeds its limit", async () => {
    const place = `${semantics.subject.bench.directory}/filled`;
    const container = semantics.container(
      "large",
      "main",
      `head -c 2097152 /dev/zero >${place}/big; exec sleep 100000`,
      {
        volumeMounts: [{ name: "v", mountPath: place }],
      },
    );
    await semantics.run("large", { containers: [container], volumes: [{ name: "v", emptyDir: { sizeLimit: "1Mi" } }] });
    const { status } = await semantics.until("fails", "large", (pod) => pod.status?.phase === "Failed");
    assert.equal(status?.reason, "Evicted");
    assert.equal(status.message, 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ');
    await semantics.remove("large", 0);
  });
});
