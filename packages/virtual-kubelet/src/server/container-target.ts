// The pod and the container that a stream is for: found and running, or the kubelet's word for why not.

import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import { podOf } from "./node-choice.ts";
import type { ServedNode } from "./served-node.ts";

const reportTimeoutMs = 10_000;

/** The pod of the path; throws UpgradeRefusal (404) when there is none. */
export function podTarget(node: ServedNode, params: Readonly<Record<string, string>>): Stored<Pod> {
  const pod = podOf(node, params);
  if (pod === "unknown") throw new UpgradeRefusal(404, "pod does not exist");
  if (pod === "other-uid") throw new UpgradeRefusal(404, "pod not found");
  return pod;
}

/** What the spec asks for, of any kind of container. */
export function containerSpec(
  pod: Pod,
  name: string,
): { readonly tty?: boolean; readonly stdin?: boolean } | undefined {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].find((container) => container.name === name);
}

export function containerStatus(pod: Pod, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (status) => status.name === name,
  );
}

/** Does it run? The backend is asked when the status, which may lag, does not say so. */
export async function isRunning(
  node: ServedNode,
  pod: Stored<Pod>,
  container: string,
  context: CallContext,
): Promise<boolean> {
  if (containerSpec(pod, container) === undefined) return false;
  if (containerStatus(pod, container)?.state?.running !== undefined) return true;
  try {
    const report = await reportOf(node, pod, context);
    return report.containers.some(({ name, state }) => name === container && state.running !== undefined);
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return false;
    throw error;
  }
}

/** What the backend says of the pod now. Throws Unavailable when that takes too long, whether or not the provider hears the signal. */
export async function reportOf(node: ServedNode, pod: Stored<Pod>, { signal, log }: CallContext): Promise<PodReport> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const ending = new AbortController();
  const end = (error: VirtualKubeletError): void => {
    ending.abort(error);
    reject(error);
  };
  const seconds = reportTimeoutMs / 1000;
  const tooLate = (): void => end(new VirtualKubeletError("Unavailable", `the backend did not answer in ${seconds} s`));
  const gone = (): void => end(new VirtualKubeletError("Aborted", "the client is gone"));
  const timer = setTimeout(tooLate, reportTimeoutMs).unref();
  signal.addEventListener("abort", gone, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([node.provider.getPodStatus(node.ownerOf(pod), { signal: ending.signal, log }), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", gone);
  }
}

/** Has the pod ended, or the run of the container that `before` shows? */
export function hasEnded(node: ServedNode, before: Stored<Pod>, container: string | undefined): boolean {
  const { namespace = "", name, uid } = before.metadata;
  const pod = node.find(namespace, name);
  if (pod === undefined || pod.metadata.uid !== uid) return true;
  if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return true;
  if (container === undefined) return false;
  const [then, now] = [containerStatus(before, container), containerStatus(pod, container)];
  if (now === undefined) return false;
  // A status that lagged when the stream began may still catch up: only what came after a running one counts.
  const ranThen = then?.state?.running !== undefined;
  return now.state?.terminated !== undefined ? ranThen : ranThen && now.restartCount > then.restartCount;
}
