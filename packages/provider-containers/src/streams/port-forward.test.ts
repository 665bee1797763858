// Whose ports are reached, and whose are not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { forwardToContainer } from "./port-forward.ts";

test("a process of this machine with the pid of a container elsewhere lends nobody its network", async (t) => {
  const server = createServer();
  t.after(() => server.close());
  let reached = false;
  server.on("connection", (socket) => {
    reached = true;
    socket.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const container = { id: "f".repeat(64), pid: process.pid };
  await assert.rejects(
    forwardToContainer(container, port, new PassThrough(), { signal: AbortSignal.timeout(60_000) }),
    (error) => isErrorKind(error, "NotFound"),
  );
  assert.equal(reached, false);
});
