// What attach shows, and whom it refuses.
import assert from "node:assert/strict";
import { Readable, Writable } from "node:stream";
import { describe, it } from "node:test";
import { type ContainerLogOptions, type ContainerReport, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { attachByLogs } from "./task-attach.ts";
import { podRequest } from "./testing/golden-pods.ts";

const { owner } = podRequest({ name: "web", spec: { containers: [{ name: "web", image: "web" }] } });
const context = { signal: new AbortController().signal, log: silentLogger };

async function attached(state: ContainerReport["state"], stdin?: Readable) {
  const group = { owner, id: "task", stage: "running" as const, containers: [{ name: "web", state }] };
  const shown: Buffer[] = [];
  const stdout = new Writable({
    write: (chunk, _encoding, done) => {
      shown.push(Buffer.from(chunk));
      done();
    },
  });
  const asked: ContainerLogOptions[] = [];
  await attachByLogs(
    { group, container: "web" },
    { stdout, tty: false, ...(stdin && { stdin }) },
    async (options) => {
      asked.push(options);
      const lines = ["2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:00.001Z two  2\n", "2026-01-01T00:00:00.002Z \n"];
      return { format: "timestamped", data: Readable.from(lines.map((text) => Buffer.from(text))) };
    },
    context,
  );
  return { shown: Buffer.concat(shown).toString(), asked };
}

describe("attach", () => {
  it("shows what is written from now on, as it was written", async () => {
    const { shown, asked } = await attached({ running: {} });
    assert.equal(shown, "one\ntwo  2\n\n");
    assert.deepEqual(asked, [{ follow: true, tailLines: 0 }]);
  });

  it("refuses input, and containers that do not run, and says why", async () => {
    await assert.rejects(attached({ running: {} }, Readable.from([])), { kind: "Unsupported", message: /without -i/ });
    await assert.rejects(attached({ waiting: { reason: "ContainerCreating" } }), { kind: "Conflict" });
  });
});
