// Commands in running containers of one engine.
import { created, execDetails } from "./container-answers.ts";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions, EngineClient, EngineStream, ExecCreate } from "./engine-client.ts";
import { HijackedStream } from "./hijacked-stream.ts";

/** In a terminal Docker takes ctrl-p ctrl-q for itself, unless it is given other keys: these nobody types. */
const detachKeys = "ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^,ctrl-_";

export async function createExec(
  calls: EngineCalls,
  id: string,
  body: ExecCreate,
  options: CallOptions,
): Promise<string> {
  const keys = !body.Tty || (await calls.isPodman(options)) ? {} : { DetachKeys: detachKeys };
  const path = `/containers/${part(id)}/exec`;
  return (await calls.json(created, calls.request({ method: "POST", path, body: { ...body, ...keys } }, options))).Id;
}

export async function startExec(
  calls: EngineCalls,
  execId: string,
  { tty, size }: Parameters<EngineClient["startExec"]>[1],
  options: CallOptions,
): Promise<EngineStream> {
  // Docker takes the size as a pair, from API 1.42 on, Podman by two names of its own.
  const { width: w, height: h } = size ?? {};
  const body = { Detach: false, Tty: tty, ...(size !== undefined && { ConsoleSize: [h, w], h, w }) };
  const path = `/exec/${part(execId)}/start`;
  const connection = await calls.transport.hijack(calls.request({ method: "POST", path, body }, options));
  return new HijackedStream(connection, { tty });
}

/** Podman answers 201, which is as good. */
export async function resizeExec(
  calls: EngineCalls,
  execId: string,
  width: number,
  height: number,
  options: CallOptions,
): Promise<void> {
  const query = { w: width, h: height };
  await calls.transport.call(calls.request({ method: "POST", path: `/exec/${part(execId)}/resize`, query }, options));
}

export function inspectExec(
  calls: EngineCalls,
  execId: string,
  options: CallOptions,
): ReturnType<EngineClient["inspectExec"]> {
  return calls.json(execDetails, calls.request({ method: "GET", path: `/exec/${part(execId)}/json` }, options));
}

export async function attach(
  calls: EngineCalls,
  id: string,
  { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean },
  options: CallOptions,
): Promise<EngineStream> {
  const keys = !tty || (await calls.isPodman(options)) ? {} : { detachKeys };
  const query = { stream: true, stdout: true, stderr: true, stdin, ...keys };
  const path = `/containers/${part(id)}/attach`;
  const connection = await calls.transport.hijack(calls.request({ method: "POST", path, query }, options));
  return new HijackedStream(connection, { tty });
}
