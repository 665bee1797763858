// Sees to it that a container's image is there: by its pull policy, with the kubelet's reasons, messages and events.
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { CallContext } from "../provider.ts";
import type { ImageCredential } from "../resolved-pod.ts";
import { durationText } from "./backoff.ts";
import { retryMs } from "./plan-create-sandbox.ts";
import type { PodContainer } from "./pod-container.ts";
import type { TaskBench } from "./run-task.ts";

export async function findImage(
  of: PodContainer,
  attempt: number,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const image = of.resolved?.image ?? "";
  const policy = of.resolved?.imagePullPolicy ?? "IfNotPresent";
  const { runtime, found } = bench;
  const container = of.name;
  const failed = (reason: string, message: string, againAt = bench.now() + retryMs): void =>
    found.startFailed(of.name, { attempt, image, reason, message, at: bench.now(), againAt });
  try {
    const present = await runtime.imageStatus(image, context);
    if (present !== undefined && (policy !== "Always" || runtime.pullImage === undefined)) {
      const message = `Container image "${image}" already present on machine and can be accessed by the pod`;
      bench.tell({ type: "Normal", reason: "Pulled", message, container });
      found.imageFound(of.name, attempt, image);
      return;
    }
  } catch (error) {
    if (context.signal.aborted) throw error;
    const message = `Failed to inspect image "${image}": ${errorText(error)}`;
    bench.tell({ type: "Warning", reason: "InspectFailed", message, container });
    bench.tell({ type: "Warning", reason: "Failed", message: `Error: ${message}`, container });
    const invalid = VirtualKubeletError.from(error).kind === "Invalid";
    failed(invalid ? "InvalidImageName" : "ImageInspectError", message);
    return;
  }
  if (policy === "Never") {
    const message = `Container image "${image}" is not present with pull policy of Never`;
    bench.tell({ type: "Warning", reason: "ErrImageNeverPull", message, container });
    bench.tell({ type: "Warning", reason: "Failed", message: "Error: ErrImageNeverPull", container });
    failed("ErrImageNeverPull", message);
    return;
  }
  await pull(of, image, attempt, bench, context);
}

async function pull(
  of: PodContainer,
  image: string,
  attempt: number,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const { runtime, found } = bench;
  const container = of.name;
  bench.tell({ type: "Normal", reason: "Pulling", message: `Pulling image "${image}"`, container });
  const began = bench.now();
  try {
    if (runtime.pullImage === undefined)
      throw new VirtualKubeletError("NotFound", `image "${image}" is not here, and this runtime pulls none`);
    await runtime.pullImage(image, credentialsFor(image, bench.request?.resolved?.imageCredentials ?? []), context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const { kind, reason: named } = VirtualKubeletError.from(error);
    const message = errorText(error);
    const reason = named ?? (kind === "Invalid" ? "InvalidImageName" : "ErrImagePull");
    const shown = `Failed to pull image "${image}": ${message}`;
    bench.tell({ type: "Warning", reason: "Failed", message: shown, container });
    bench.tell({ type: "Warning", reason: "Failed", message: `Error: ${reason}`, container });
    const againAt = found.pullFailed(image, bench.now(), bench.limits);
    found.startFailed(of.name, { attempt, image, reason, message: shown, at: bench.now(), againAt });
    return;
  }
  const took = durationText(bench.now() - began);
  const message = `Successfully pulled image "${image}" in ${took} (${took} including waiting).`;
  bench.tell({ type: "Normal", reason: "Pulled", message, container });
  found.imageFound(of.name, attempt, image);
}

/** Those whose prefix fits; they come best match first. */
export function credentialsFor(image: string, all: readonly ImageCredential[]): readonly ImageCredential[] {
  return all.filter(
    ({ registry }) => image === registry || image.startsWith(`${registry}/`) || image.startsWith(`${registry}:`),
  );
}
