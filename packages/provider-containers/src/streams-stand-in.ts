// STAND-IN until streams/ is there.
import { createReadStream } from "node:fs";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type {
  CallContext,
  ContainerIO,
  ContainerLogOptions,
  ContainerLogs,
  ExecResult,
} from "@virtual-kubelet/virtual-kubelet";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerDetails, EngineClient } from "./engine/engine-client.ts";

export async function execInContainer(
  client: EngineClient,
  id: string,
  command: readonly string[],
  io: ContainerIO,
  context: CallContext,
): Promise<ExecResult> {
  const exec = await client.createExec(
    id,
    { Cmd: command, AttachStdin: io.stdin !== undefined, AttachStdout: true, AttachStderr: true, Tty: io.tty },
    context,
  );
  const stream = await client.startExec(exec, { tty: io.tty }, context);
  if (io.stdin) pipeline(io.stdin, stream.stdin).catch(() => {});
  const out = (async () => {
    for await (const d of stream.stdout) io.stdout?.write(d);
  })();
  const err = (async () => {
    for await (const d of stream.stderr) io.stderr?.write(d);
  })();
  await Promise.all([out, err]);
  const { exitCode } = await client.inspectExec(exec, context);
  return { exitCode: exitCode ?? 255 };
}
export async function attachToContainer(
  _c: EngineClient,
  _d: ContainerDetails,
  _io: ContainerIO,
  _x: CallContext,
): Promise<void> {
  throw new VirtualKubeletError("Unsupported", "not yet");
}
export async function readContainerLog(
  _c: EngineClient,
  details: ContainerDetails,
  _o: ContainerLogOptions,
  _x: CallContext,
): Promise<ContainerLogs> {
  return { format: "cri", data: createReadStream(details.logPath) };
}
export async function forwardPort(_pid: number, _port: number, _c: Duplex, _x: { signal: AbortSignal }): Promise<void> {
  throw new VirtualKubeletError("Unsupported", "not yet");
}
