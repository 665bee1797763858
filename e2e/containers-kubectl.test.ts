// kubectl on pods that are containers of an engine. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type ContainersSubject, startContainers } from "./containers.ts";
import { kubectlOnPods } from "./kubectl-on-pods.ts";

// Nobody else comes there: each pod has a loopback of its own.
const port = 8080;

kubectlOnPods<ContainersSubject>("containers", {
  start: () => startContainers(),
  user: { uid: 1234, gid: 5678, change: { securityContext: { runAsUser: 1234, runAsGroup: 5678 } } },
  scratch: () => "/tmp",
  server: async () => ({
    port,
    script: `mkdir /tmp/www; head -c 2000000 /dev/urandom | base64 >/tmp/www/big; exec httpd -f -p 127.0.0.1:${port} -h /tmp/www`,
  }),
  reaches: async (local, semantics) => {
    const big = await semantics.kubectl("exec", "server", "--", "sha256sum", "/tmp/www/big");
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const answer = await fetch(`http://127.0.0.1:${local}/big`);
        return createHash("sha256")
          .update(await answer.bytes())
          .digest("hex");
      }),
    );
    assert.deepEqual(new Set(answers), new Set([big.split(" ")[0]]));
  },
  leftovers: ({ subject }) => subject.leftovers(),
});
