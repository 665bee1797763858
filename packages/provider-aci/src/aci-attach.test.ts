// Attaching to a container's own process: output alone.
import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { it } from "node:test";
import { type ContainerReport, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer, SocketTerminal } from "@virtual-kubelet/virtual-kubelet/cloud";
import { attach } from "./aci-attach.ts";

const context = { signal: new AbortController().signal, log: silentLogger };

function target(state: ContainerReport["state"]): GroupContainer {
  const owner = { cluster: "c", node: "n", namespace: "d", name: "p", uid: "u" };
  return { group: { owner, id: "/g", stage: "running", containers: [{ name: "main", state }] }, container: "main" };
}

function terminal(...output: readonly string[]): SocketTerminal {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const chunk of output) yield Buffer.from(chunk);
  }
  return { output: chunks(), write: () => Promise.reject(new Error("nothing is written")), close: () => {} };
}

it("gives what it writes", async () => {
  const stdout = new PassThrough();
  const client = { attach: async () => terminal("a", "b") };
  await attach(client, target({ running: {} }), "g", { tty: false, stdout }, context);
  stdout.end();
  assert.equal(await text(stdout), "ab");
});

it("is refused with input, which the cloud does not carry, and where nothing runs", async () => {
  const client = { attach: () => Promise.reject(new Error("nobody is asked")) };
  const io = { tty: false, stdin: Readable.from([]) };
  await assert.rejects(attach(client, target({ running: {} }), "g", io, context), {
    ...{ kind: "Unsupported", message: /carries no input .*: attach without -i$/ },
  });
  await assert.rejects(attach(client, target({ waiting: {} }), "g", { tty: false }, context), { kind: "Conflict" });
});
