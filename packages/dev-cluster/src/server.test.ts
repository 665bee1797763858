// What a server that has ended leaves behind: nothing that still answers.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startDevCluster } from "./dev-cluster.ts";

test("a connection that still shakes hands ends with the cluster", async () => {
  const cluster = await startDevCluster({ controllers: false });
  const { hostname: host, port } = new URL(cluster.server);
  const socket = connect({ host, port: Number(port) });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  // The head of the first message, and not the rest of it.
  socket.write(Buffer.from([22, 3, 1, 0, 200, 1, 0]));
  // One that comes later has been looked at, so this one has, too. (It is refused by its client, for its certificate.)
  await assert.rejects(fetch(cluster.server));
  await cluster.stop();
  await Promise.race([
    closed,
    delay(60_000, undefined, { ref: false }).then(() => assert.fail("it is still connected")),
  ]);
});
