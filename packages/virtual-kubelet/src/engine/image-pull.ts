// Sees to it that a container's image is there: by its pull policy, with the kubelet's reasons, messages and events.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { imageNameFault } from "../image-name.ts";
import type { CallContext } from "../provider.ts";
import type { ImageCredential } from "../resolved-pod.ts";
import { durationText } from "./backoff.ts";
import type { PulledImage } from "./container-runtime.ts";
import { credentialsFor } from "./image-credentials.ts";
import { retryMs } from "./plan-create-sandbox.ts";
import type { PodContainer } from "./pod-container.ts";
import type { TaskBench } from "./run-task.ts";

export async function findImage(
  of: PodContainer,
  attempt: number,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const { runtime, found } = bench;
  const container = of.name;
  /** As the pod says it; the runtime is told which tag that means. */
  const named = of.container.image ?? "";
  const image = of.resolved?.image ?? named;
  const policy = of.resolved?.imagePullPolicy ?? "IfNotPresent";
  const failed = (reason: string, message: string, event?: string): void => {
    if (event !== undefined) bench.tell({ type: "Warning", reason: event, message, container });
    bench.tell({ type: "Warning", reason: "Failed", message: `Error: ${reason}`, container });
    const at = bench.now();
    found.startFailed(container, { attempt, image: named, reason, message, at, againAt: at + retryMs });
  };
  const fault = imageNameFault(named);
  if (fault !== undefined)
    return failed("InvalidImageName", `Failed to apply default image tag "${named}": ${fault}`, "InspectFailed");
  const all = bench.request?.resolved?.imageCredentials ?? [];
  const credentials = credentialsFor(image, all, runtime.defaultRegistries);
  try {
    if (
      (policy !== "Always" || runtime.pullImage === undefined) &&
      (await isUsable(image, credentials, bench, context))
    ) {
      const message = `Container image "${named}" already present on machine and can be accessed by the pod`;
      bench.tell({ type: "Normal", reason: "Pulled", message, container });
      found.imageFound(container, attempt, named);
      return;
    }
  } catch (error) {
    if (context.signal.aborted) throw error;
    const invalid = VirtualKubeletError.from(error).kind === "Invalid";
    const message = `Failed to inspect image "${named}": ${errorText(error)}`;
    return failed(invalid ? "InvalidImageName" : "ImageInspectError", message, "InspectFailed");
  }
  if (policy === "Never") {
    const message = `Container image "${named}" is not present with pull policy of Never`;
    return failed("ErrImageNeverPull", message, "ErrImageNeverPull");
  }
  await pull({ of, attempt, named, image, credentials }, bench, context);
}

/** It is here, and the pod may have it. */
async function isUsable(
  image: string,
  credentials: readonly ImageCredential[],
  { runtime }: TaskBench,
  context: CallContext,
): Promise<boolean> {
  if ((await runtime.imageStatus(image, context)) === undefined) return false;
  return (await runtime.mayUseImage?.(image, credentials, context)) !== false;
}

async function pull(
  what: {
    readonly of: PodContainer;
    readonly attempt: number;
    readonly named: string;
    readonly image: string;
    readonly credentials: readonly ImageCredential[];
  },
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const { runtime, found } = bench;
  const { attempt, named } = what;
  const container = what.of.name;
  bench.tell({ type: "Normal", reason: "Pulling", message: `Pulling image "${named}"`, container });
  const began = bench.now();
  let pulled: PulledImage;
  try {
    if (runtime.pullImage === undefined)
      throw new VirtualKubeletError("NotFound", `image "${named}" is not here, and this runtime pulls none`);
    pulled = await runtime.pullImage(what.image, what.credentials, context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const { kind, reason: word } = VirtualKubeletError.from(error);
    const text = errorText(error);
    const reason = word ?? (kind === "Invalid" ? "InvalidImageName" : "ErrImagePull");
    const failure = `Failed to pull image "${named}": ${text}`;
    bench.tell({ type: "Warning", reason: "Failed", message: failure, container });
    bench.tell({ type: "Warning", reason: "Failed", message: `Error: ${reason}`, container });
    const at = bench.now();
    const againAt = found.pullFailed(named, at, bench.limits);
    const message = because(reason, named, text);
    found.startFailed(container, { attempt, image: named, reason, message, at, againAt });
    return;
  }
  bench.tell({ type: "Normal", reason: "Pulled", message: pulledText(named, pulled, bench.now() - began), container });
  found.imageFound(container, attempt, named);
}

function pulledText(image: string, { size, pullMs }: PulledImage, tookMs: number): string {
  const text = `Successfully pulled image "${image}" in ${durationText(pullMs ?? tookMs)} (${durationText(tookMs)} including waiting).`;
  return size === undefined ? text : `${text} Image size: ${size} bytes.`;
}

/** A kubelet has more to say for two of the reasons that a runtime may give. */
function because(reason: string, image: string, text: string): string {
  const causes: Readonly<Record<string, string>> = {
    RegistryUnavailable: "the registry is unavailable",
    SignatureValidationFailed: "the signature validation failed",
  };
  const cause = causes[reason];
  return cause === undefined ? text : `image pull failed for ${image} because ${cause}: ${text}`;
}
