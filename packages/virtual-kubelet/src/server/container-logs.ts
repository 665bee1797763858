// GET /containerLogs/{namespace}/{pod}/{container}: refusals first, then the log, as fast as the client takes it.
import { type Clock, systemClock } from "../clock.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { ContainerLogOptions, ContainerLogs } from "../provider/streams.ts";
import type { Provider } from "../provider.ts";
import { sendText } from "./answers.ts";
import type { KubeletCall, KubeletHandler, KubeletResponse } from "./kubelet-call.ts";
import { type LogBackend, openLog } from "./log-follow.ts";
import { type LogRefusal, type LogRequest, parseLogQuery } from "./log-options.ts";
import { type ContainerRun, findRun, hasEnded, missing, notKept, runsSince } from "./log-run.ts";
import { LogWriter } from "./log-writer.ts";

export interface ContainerLogsSettings {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Milliseconds between two looks at whether a container that is followed has ended; default 1000. */
  readonly intervalMs?: number | undefined;
}

/** Answers requests for logs. Params: namespace, pod, container. */
export const serveContainerLogs: KubeletHandler = containerLogs();

export function containerLogs(settings: ContainerLogsSettings = {}): KubeletHandler {
  const { clock = systemClock, intervalMs = 1000 } = settings;
  return async (call) => {
    const asked = decide(call, clock.now());
    if (asked.refusal !== undefined) {
      refuse(call.response, asked.refusal);
      return;
    }
    const { signal, log, response } = call;
    try {
      const chunks = await openLog(backendOf(call, asked), asked.request, { clock, intervalMs, signal, log });
      await send(call, chunks, asked.request.follow);
    } catch (error) {
      if (response.headersSent || !isErrorKind(error, "NotFound")) throw error;
      refuse(response, notKept(asked.pod, asked.container, asked.request.previous, asked.run));
    }
  };
}

interface Asked {
  readonly refusal?: undefined;
  readonly request: LogRequest;
  readonly pod: Stored<Pod>;
  readonly container: string;
  readonly run: ContainerRun;
  readonly getContainerLogs: NonNullable<Provider["getContainerLogs"]>;
}

/** Everything that can be said before the log is read, in a kubelet's order. */
function decide(call: KubeletCall, now: number): Asked | { readonly refusal: LogRefusal } {
  const { node, params, query } = call;
  const { namespace = "", pod: name = "", container = "" } = params;
  const parsed = parseLogQuery(query, now);
  if (parsed.refusal !== undefined) return parsed;
  const { request } = parsed;
  const pod = node.find(namespace, name);
  const refusal = missing(pod, name, container);
  if (refusal !== undefined || pod === undefined) return { refusal: refusal ?? { status: 404, text: "" } };
  const { provider } = node;
  if (provider.getContainerLogs === undefined) return { refusal: { status: 501, text: "not implemented" } };
  const found = findRun(pod, container, request.previous);
  if (found.refusal !== undefined) return found;
  const getContainerLogs = provider.getContainerLogs.bind(provider);
  return { request, pod, container, run: found.run, getContainerLogs };
}

function backendOf(call: KubeletCall, { pod, container, run, getContainerLogs }: Asked): LogBackend {
  const { node, log } = call;
  const { namespace = "", pod: name = "" } = call.params;
  const target = { owner: node.ownerOf(pod), pod, container };
  return {
    hasEnded: () => hasEnded(run, node.find(namespace, name), container),
    async open(wanted: ContainerLogOptions, signal: AbortSignal): Promise<ContainerLogs> {
      // A log that is read again is that of the same run, whatever has begun meanwhile.
      const since = runsSince(run, node.find(namespace, name), container) ?? 0;
      if (since > 1)
        throw new VirtualKubeletError("NotFound", "the log of the run before the previous one is not kept");
      const containerID = run.containerID === "" ? undefined : run.containerID;
      const options = { ...wanted, previous: wanted.previous === true || since === 1, containerID };
      try {
        return await getContainerLogs(target, options, { signal, log });
      } catch (error) {
        // Between two runs the present one is the one that ended last, which some backends call the previous one.
        if (!run.waiting || !isErrorKind(error, "NotFound")) throw error;
        return await getContainerLogs(target, { ...options, previous: true }, { signal, log });
      }
    },
  };
}

async function send(call: KubeletCall, chunks: AsyncGenerator<Uint8Array>, follow: boolean): Promise<void> {
  const { response, signal, log } = call;
  const begin = (): void => {
    response.writeHead(200, {
      "Content-Type": "text/plain",
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
    });
    response.flushHeaders();
  };
  const writer = new LogWriter(response, signal);
  // A log that fails at once is still answered by a status; one that is followed may say nothing for long.
  if (follow) begin();
  try {
    for await (const chunk of chunks) {
      if (!response.headersSent) begin();
      if (!(await writer.write(chunk))) return;
    }
    if (signal.aborted) return;
    if (!response.headersSent) begin();
    writer.end();
  } catch (error) {
    if (signal.aborted) return;
    if (!response.headersSent) throw error;
    log.error({ err: error }, "a log broke off");
    await writer.break(VirtualKubeletError.from(error));
  }
}

function refuse(response: KubeletResponse, { status, text }: LogRefusal): void {
  sendText(response, status, text);
}
