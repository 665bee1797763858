// kubectl on pods that are processes of this machine. Needs root on Linux.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { kubectlOnPods } from "./kubectl-on-pods.ts";
import { type ProcessSubject, startProcesses } from "./semantics.ts";

kubectlOnPods<ProcessSubject>("processes", {
  start: () => startProcesses(),
  user: { uid: 65534, gid: 65534 },
  scratch: ({ scratch }) => scratch,
  server: async () => {
    const port = await freePort();
    // One listener of the network that all pods here share; it echoes lines.
    const echo = `use IO::Socket::INET; $SIG{CHLD} = "IGNORE"; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => ${port}, Listen => 50, ReuseAddr => 1) or die; print "up\\n"; while (my $c = $s->accept) { next if fork; $c->autoflush; while (<$c>) { print $c "echo $_"; } exit }`;
    return { port, script: `exec perl -e '${echo}'` };
  },
  reaches: async (local) => {
    const lines = Array.from({ length: 10 }, (_, index) => `hello ${index}\n`);
    const answers = await Promise.all(lines.map((line) => exchange(local, line)));
    assert.deepEqual(
      answers,
      lines.map((line) => `echo ${line}`),
    );
  },
  leftovers: async ({ subject }) => readdirSync(join(subject.directory, "state", subject.node, "pods")),
});

/** Sends a line, and answers the line that came back. */
async function exchange(to: number, line: string): Promise<string> {
  const socket = connect(to, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    if (text.includes("\n")) socket.end();
  });
  socket.write(line);
  await once(socket, "close");
  return text;
}
