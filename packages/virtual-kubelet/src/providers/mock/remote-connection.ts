// The mock provider's way to a backend in another process: HTTP over a TCP or Unix socket, connections kept alive.
import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { createInterface } from "node:readline";
import { errorText, VirtualKubeletError } from "../../errors.ts";
import type { PodUpdate } from "../../provider/pods.ts";
import type { BackendConnection } from "./connection.ts";
import { throwIfAborted } from "./connection.ts";
import {
  decodeError,
  decodeOutcome,
  decodePodUpdate,
  decodeReport,
  decodeReports,
  decodeRuns,
  decodeUsage,
  decodeUsages,
} from "./wire.ts";

/** `address` is `unix:///path.sock` or `http://host:port`. Connects with the first call. */
export function remoteConnection(address: string): BackendConnection {
  const url = new URL(address);
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const target: RequestOptions =
    url.protocol === "unix:" ? { socketPath: url.pathname } : { host: url.hostname, port: url.port };
  const open = (method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> => {
    throwIfAborted(signal);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // The watch keeps its connection to itself: it must not take one of those that the calls share.
    const sent = request({ ...target, agent: path.startsWith("/watch") ? false : agent, method, path, signal });
    sent.on("response", resolve);
    sent.on("error", (error) => reject(failure(error, signal)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  };
  const call = async (method: string, path: string, body: unknown, signal: AbortSignal): Promise<string> => {
    const response = await open(method, path, body, signal);
    const text = await readAll(response, signal);
    if (response.statusCode !== 200) throw decodeError(response.statusCode ?? 0, text);
    return text;
  };
  const pod = (uid: string): string => `/pods/${encodeURIComponent(uid)}`;
  return {
    create: async (podRequest, hostIPs, signal) =>
      decodeOutcome(await call("POST", "/pods", { request: podRequest, hostIPs }, signal)),
    update: async (podRequest, signal) => {
      await call("PUT", pod(podRequest.owner.uid), podRequest, signal);
    },
    delete: async (owner, gracePeriodSeconds, signal) => {
      const query = new URLSearchParams({ gracePeriodSeconds: String(gracePeriodSeconds), node: owner.node });
      await call("DELETE", `${pod(owner.uid)}?${query.toString()}`, undefined, signal);
    },
    stop: async (owner, order, signal) => {
      await call(
        "POST",
        `${pod(owner.uid)}/stop?${new URLSearchParams({ node: owner.node }).toString()}`,
        order,
        signal,
      );
    },
    get: async (uid, signal) => decodeReport(await call("GET", pod(uid), undefined, signal)),
    usage: async (uid, signal) => decodeUsage(await call("GET", `${pod(uid)}/usage`, undefined, signal)),
    usages: async (node, signal) =>
      decodeUsages(await call("GET", `/usage?${new URLSearchParams({ node }).toString()}`, undefined, signal)),
    runs: async (uid, signal) => decodeRuns(await call("GET", `${pod(uid)}/runs`, undefined, signal)),
    list: async (node, signal) =>
      decodeReports(await call("GET", `/pods?${new URLSearchParams({ node }).toString()}`, undefined, signal)),
    watch(node, signal) {
      const opened = open("GET", `/watch?${new URLSearchParams({ node }).toString()}`, undefined, signal);
      // Whoever iterates sees the failure; who does not has lost nothing.
      opened.catch(() => {});
      return readUpdates(opened, signal);
    },
    ping: async (signal) => {
      await call("GET", "/ping", undefined, signal);
    },
    act: async (action, signal) => {
      await call("POST", "/act", action, signal);
    },
    close: async () => agent.destroy(),
  };
}

async function* readUpdates(opened: Promise<IncomingMessage>, signal: AbortSignal): AsyncGenerator<PodUpdate> {
  let response: IncomingMessage | undefined;
  try {
    response = await opened;
    if (response.statusCode !== 200) throw decodeError(response.statusCode ?? 0, await readAll(response, signal));
    for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
      yield decodePodUpdate(line);
    }
  } catch (error) {
    if (!signal.aborted) throw failure(error, signal);
  } finally {
    response?.destroy();
  }
}

async function readAll(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) text += String(chunk);
  } catch (error) {
    throw failure(error, signal);
  }
  return text;
}

function failure(error: unknown, signal: AbortSignal): VirtualKubeletError {
  if (signal.aborted) return new VirtualKubeletError("Aborted", "the call was aborted", { cause: error });
  if (error instanceof VirtualKubeletError) return error;
  return new VirtualKubeletError("Unavailable", `mock backend: ${errorText(error)}`, { cause: error });
}
