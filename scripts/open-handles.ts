// Loaded into the process of each test file: on SIGURG it says on standard error what keeps it from ending.
import { ChildProcess } from "node:child_process";
import { Server, Socket } from "node:net";

process.on("SIGURG", () => {
  process.stderr.write(`${[`open: ${counted(process.getActiveResourcesInfo())}`, ...handles()].join("\n")}\n`);
});

/** "2 Timeout, TCPServerWrap" */
function counted(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => (count === 1 ? kind : `${count} ${kind}`)).join(", ");
}

function handles(): readonly string[] {
  // Not documented: where it is gone, the kinds alone are told.
  const list: unknown = Reflect.get(process, "_getActiveHandles");
  const found: unknown = typeof list === "function" ? Reflect.apply(list, process, []) : [];
  return Array.isArray(found) ? found.flatMap((handle: unknown) => textOf(handle)) : [];
}

function textOf(handle: unknown): readonly string[] {
  if (handle instanceof ChildProcess)
    return [`child process ${handle.pid}: ${handle.spawnargs.join(" ").slice(0, 300)}`];
  if (handle instanceof Server) return [`server: ${JSON.stringify(handle.address())}`];
  if (!(handle instanceof Socket) || handle.remoteAddress === undefined) return [];
  return [`socket: port ${handle.localPort} to ${handle.remoteAddress} port ${handle.remotePort}`];
}
