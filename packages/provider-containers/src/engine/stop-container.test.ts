// What becomes of a stop and a removal while somebody else removes the container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { respond, ScriptedEngine } from "../testing/scripted-engine.ts";
import { connectEngine } from "./connect.ts";

for (const flavour of ["docker", "podman"] as const)
  test(`${flavour}: it is gone, and that is what was asked for`, async () => {
    const details = {
      ...{ Id: "a", Name: "/a", Created: "2026-01-01T00:00:00Z", Image: "sha256:1", Config: {} },
      State: { Status: "running", Running: true, Pid: 7, ExitCode: 0 },
    };
    await using engine = await ScriptedEngine.start({
      flavour,
      answer: (request, response) => {
        if (request.endsWith("/containers/a/json")) return respond(response, 200, details);
        if (request.includes("/kill")) return respond(response, 204, undefined);
        // Podman has no status of its own for it in every call.
        const status = flavour === "podman" ? 500 : 404;
        if (!request.includes("/wait") && !request.startsWith("DELETE ")) return false;
        return respond(response, status, { message: "no container with ID a found in database: no such container" });
      },
    });
    using client = connectEngine({ type: "unix", path: engine.path }, { log: silentLogger });
    const options = { signal: AbortSignal.timeout(60_000) };
    await client.stopContainer("a", 30, options);
    await client.removeContainer("a", options);
    assert.deepEqual(
      engine.asked.filter((request) => /kill|wait|DELETE/.test(request)).map((request) => request.split("?")[0]),
      [
        "POST /containers/a/kill",
        flavour === "podman" ? "POST /libpod/containers/a/wait" : "POST /containers/a/wait",
        "POST /containers/a/kill",
        "DELETE /containers/a",
      ],
    );
  });
