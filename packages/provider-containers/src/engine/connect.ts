// One engine as the provider uses it. Nothing is sent before the first call; Node's own HTTP client carries all of it.
import type { Logger } from "@virtual-kubelet/virtual-kubelet";
import * as containers from "./container-calls.ts";
import { EngineCalls } from "./engine-calls.ts";
import type { EngineAddress, EngineClient } from "./engine-client.ts";
import { events } from "./events.ts";
import * as execs from "./exec-calls.ts";
import { readContainerFile } from "./file-calls.ts";
import * as images from "./image-calls.ts";
import { logs } from "./log-calls.ts";
import { Stops } from "./stop-container.ts";

export interface ConnectEngineOptions {
  readonly log: Logger;
  /** Creates, starts and removals side by side; default 8. */
  readonly parallelCalls?: number | undefined;
}

/** Its kept connections are closed by `Symbol.dispose`; calls that are under way end then. */
export function connectEngine(
  address: EngineAddress,
  { log, parallelCalls = 8 }: ConnectEngineOptions,
): EngineClient & Disposable {
  const calls = new EngineCalls(address, log, parallelCalls);
  const stops = new Stops(calls);
  return {
    address,
    ping: async (options) => {
      await calls.transport.call({ method: "GET", path: "/_ping", signal: options.signal });
    },
    info: (options) => calls.info(options),

    createContainer: (name, body, options) => containers.createContainer(calls, name, body, options),
    startContainer: (id, options) => containers.startContainer(calls, id, options),
    stopContainer: (id, seconds, options) => stops.stop(id, seconds, options),
    killContainer: (id, signal, options) => containers.killContainer(calls, id, signal, options),
    removeContainer: (id, options) => containers.removeContainer(calls, id, options),
    inspectContainer: (id, options) => containers.inspectContainer(calls, id, options),
    listContainers: (labels, options) => containers.listContainers(calls, labels, options),
    events: (labels, options) => events(calls, labels, options),
    resizeContainer: (id, width, height, options) => containers.resizeContainer(calls, id, width, height, options),
    updateContainer: (id, limits, options) => containers.updateContainer(calls, id, limits, options),
    logs: (id, what, options) => logs(calls, id, what, options),

    readContainerFile: (id, path, options) => readContainerFile(calls, id, path, options),

    attach: (id, what, options) => execs.attach(calls, id, what, options),
    createExec: (id, body, options) => execs.createExec(calls, id, body, options),
    startExec: (execId, what, options) => execs.startExec(calls, execId, what, options),
    resizeExec: (execId, width, height, options) => execs.resizeExec(calls, execId, width, height, options),
    inspectExec: (execId, options) => execs.inspectExec(calls, execId, options),

    inspectImage: (name, options) => images.inspectImage(calls, name, options),
    listImages: (options) => images.listImages(calls, options),
    pullImage: (name, auth, options) => images.pullImage(calls, name, auth, options),
    importImage: (name, tar, changes, options) => images.importImage(calls, name, tar, changes, options),
    removeImage: (name, options) => images.removeImage(calls, name, options),

    [Symbol.dispose]: () => calls.transport.close(),
  };
}
