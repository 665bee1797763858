// Containers of one engine: made, started, ended, looked at.
import { isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { created, details, type InspectedContainer, summaries } from "./container-answers.ts";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions, ContainerCreate, ContainerSummary, EngineClient } from "./engine-client.ts";
import { startError } from "./engine-error.ts";
import { libpodCreate } from "./libpod-create.ts";

export async function createContainer(
  calls: EngineCalls,
  name: string,
  body: ContainerCreate,
  options: CallOptions,
): Promise<string> {
  const own = (await calls.isPodman(options)) ? libpodCreate(name, body) : undefined;
  const post = { method: "POST", path: "/containers/create" } as const;
  const request =
    own === undefined
      ? calls.request({ ...post, query: { name }, body }, options)
      : calls.libpodRequest({ ...post, body: own }, options);
  return calls.slots.run(options.signal, async () => (await calls.json(created, request)).Id);
}

export async function startContainer(calls: EngineCalls, id: string, options: CallOptions): Promise<void> {
  const request = calls.request(
    { method: "POST", path: `/containers/${part(id)}/start`, accept: [304], long: true },
    options,
  );
  await calls.slots.run(options.signal, async () => {
    try {
      await calls.transport.call(request);
    } catch (error) {
      throw startError(VirtualKubeletError.from(error));
    }
  });
}

export async function killContainer(
  calls: EngineCalls,
  id: string,
  signal: string,
  options: CallOptions,
): Promise<void> {
  const path = `/containers/${part(id)}/kill`;
  try {
    await calls.transport.call(calls.request({ method: "POST", path, query: { signal } }, options));
  } catch (error) {
    // Gone, or it does not run: there is nobody to be told.
    if (isErrorKind(error, "NotFound", "Conflict")) return;
    throw error;
  }
}

export async function removeContainer(calls: EngineCalls, id: string, options: CallOptions): Promise<void> {
  // Podman would give a running one its grace first.
  await killContainer(calls, id, "KILL", options);
  const query = { force: true, v: true };
  const request = calls.request(
    { method: "DELETE", path: `/containers/${part(id)}`, query, accept: [404], long: true },
    options,
  );
  await calls.slots.run(options.signal, () => unlessGone(calls.transport.call(request)));
}

/** For calls on a container that somebody else may remove meanwhile: Podman has other words for it then than 404 alone. */
export async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isErrorKind(error, "NotFound")) throw error;
  }
}

export async function inspectContainer(
  calls: EngineCalls,
  id: string,
  options: CallOptions,
): Promise<InspectedContainer> {
  const request = { method: "GET", path: `/containers/${part(id)}/json` } as const;
  const podman = await calls.isPodman(options);
  const sent = podman ? calls.libpodRequest(request, options) : calls.request(request, options);
  return calls.json(details, sent);
}

export async function listContainers(
  calls: EngineCalls,
  labels: readonly string[],
  options: CallOptions,
): Promise<readonly ContainerSummary[]> {
  const query = { all: true, filters: JSON.stringify({ label: labels }) };
  const request = calls.request({ method: "GET", path: "/containers/json", query }, options);
  const found = await calls.json(summaries, request);
  // Whether several labels are all asked for, or any of them, differs between engines.
  return found.filter((container) => hasLabels(container.labels, labels));
}

/** `key` or `key=value`, all of them. */
export function hasLabels(has: Readonly<Record<string, string>>, wanted: readonly string[]): boolean {
  return wanted.every((label) => {
    const at = label.indexOf("=");
    return at < 0 ? label in has : has[label.slice(0, at)] === label.slice(at + 1);
  });
}

export async function resizeContainer(
  calls: EngineCalls,
  id: string,
  width: number,
  height: number,
  options: CallOptions,
): Promise<void> {
  const query = { w: width, h: height };
  await calls.transport.call(calls.request({ method: "POST", path: `/containers/${part(id)}/resize`, query }, options));
}

type ChangedLimits = Parameters<EngineClient["updateContainer"]>[1];

export async function updateContainer(
  calls: EngineCalls,
  id: string,
  limits: ChangedLimits,
  options: CallOptions,
): Promise<void> {
  const path = `/containers/${part(id)}/update`;
  // Podman knows it in its own API alone, and by the names of the OCI's specification.
  const podman = await calls.isPodman(options);
  const request = podman
    ? calls.libpodRequest({ method: "POST", path, body: linuxResources(limits), accept: [404, 405] }, options)
    : calls.request({ method: "POST", path, body: limits, accept: [404, 405] }, options);
  const { status, text } = await calls.transport.call(request);
  if (status < 300) return;
  // Of an engine without the call, or without the container.
  if (/no such container|no container with/i.test(text))
    throw new VirtualKubeletError("NotFound", `there is no container ${id}`);
  throw new VirtualKubeletError("Unsupported", "this engine cannot change the limits of a container");
}

function linuxResources({ CpuShares, CpuPeriod, CpuQuota, Memory, MemorySwap }: ChangedLimits): object {
  return {
    cpu: { shares: CpuShares, period: CpuPeriod, quota: CpuQuota },
    memory: { limit: Memory, swap: MemorySwap },
  };
}
