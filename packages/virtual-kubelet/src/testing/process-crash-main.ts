// A runtime of processes in a process of its own, to be killed: takes calls as JSON lines, answers with JSON lines.
import { createInterface } from "node:readline";
import { silentLogger } from "../log.ts";
import { parseProcessConfig } from "../providers/process/config.ts";
import { ProcessRuntime } from "../providers/process/process-runtime.ts";
import { containerOf, quiet, sandboxOf } from "./process-bench.ts";

const config = parseProcessConfig(JSON.parse(process.argv[2] ?? ""));
const runtime = await ProcessRuntime.open({ config, node: "node-a", log: silentLogger, hostIPs: ["192.0.2.1"] });
process.stdout.write("open\n");

for await (const line of createInterface({ input: process.stdin })) {
  const { call, uid, name, attempt, script } = JSON.parse(line);
  const podUid = String(uid);
  const spec = containerOf(podUid, String(script), { name: String(name), attempt: Number(attempt) });
  if (call === "pod") {
    const { owner, ...rest } = sandboxOf();
    await runtime.createSandbox({ ...rest, owner: { ...owner, uid: podUid } }, quiet);
  } else if (call === "create") await runtime.createContainer(spec, quiet);
  else if (call === "start") await runtime.startContainer(spec, quiet);
  process.stdout.write("done\n");
}
