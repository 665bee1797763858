// Carries out one task about a pod: the calls of the runtime, and what is found out by them. Decides nothing.
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { PodOwner, PodRequest } from "../provider/pods.ts";
import type { ContainerIO, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { BackoffLimits } from "./backoff.ts";
import type { ContainerRuntime, RuntimeContainer } from "./container-runtime.ts";
import { readFileKeys } from "./file-keys.ts";
import type { PodFindings } from "./findings.ts";
import { hookFailedEvents } from "./hook-run.ts";
import { findImage } from "./image-pull.ts";
import type { Addresses } from "./late-text.ts";
import { retryMs } from "./plan-create-sandbox.ts";
import type { EngineEvent } from "./plan-draft.ts";
import { refOf } from "./plan-kill.ts";
import { resizeId } from "./plan-resize.ts";
import type { PodContainer } from "./pod-container.ts";
import { runKey } from "./pod-facts.ts";
import type { RunMemory } from "./pod-memory.ts";
import { podText } from "./pod-text.ts";
import type { RunHook, RunTarget } from "./probe-results.ts";
import { resizeText } from "./resize-grant.ts";
import { containerSpec, podResources, runResources, sandboxSpec } from "./runtime-specs.ts";
import type { Task } from "./task.ts";
import { terminationMessage } from "./termination-message.ts";

/** The pod as its tasks see it. */
export interface TaskBench {
  readonly runtime: ContainerRuntime;
  readonly owner: PodOwner;
  readonly request: PodRequest | undefined;
  readonly found: PodFindings;
  readonly limits: BackoffLimits;
  readonly runHook: RunHook;
  readonly containerCount: number;
  addresses(): Addresses;
  now(): number;
  tell(event: EngineEvent): void;
  remember(name: string, attempt: number, change: Partial<RunMemory>): void;
  /** preStop has had its turn. */
  preStopped(run: { readonly name: string; readonly attempt: number }): void;
  removed(run: { readonly name: string; readonly attempt: number }): void;
}

/** Each container gets so long between TERM and KILL, unless it is to end at once. */
const leastGraceSeconds = 2;

/** Throws for what is to be tried again after a while, and is told to nobody. */
export async function runTask(task: Task, bench: TaskBench, context: CallContext): Promise<void> {
  const { runtime, owner, request, found } = bench;
  switch (task.type) {
    case "createSandbox":
      if (request === undefined) return;
      found.sandboxUncertain = true;
      try {
        await runtime.createSandbox(sandboxSpec(request, task.memory), context);
        found.sandboxFailedAt = undefined;
      } catch (error) {
        if (context.signal.aborted) throw error;
        found.sandboxFailedAt = bench.now();
        const message = `Failed to create pod sandbox: ${errorText(error)}`;
        bench.tell({ type: "Warning", reason: "FailedCreatePodSandBox", message });
      }
      return;
    case "stopSandbox":
      return runtime.stopSandbox?.(owner.uid, context);
    case "removeSandbox":
      await runtime.removeSandbox(owner.uid, context);
      found.sandboxUncertain = false;
      return;
    case "image":
      return findImage(task.of, task.attempt, bench, context);
    case "create":
      return create(task, bench, context);
    case "start":
      return start(task, bench, context);
    case "postStart":
      return postStart(task.of, task.run, bench, context);
    case "preStop":
      return preStop(task.of, task.run, bench, context);
    case "stop":
      return stop(task, bench, context);
    case "resize":
      return resize(task, bench, context);
    case "remove":
      await runtime.removeContainer(task.ref, context);
      bench.removed(task.ref);
      return;
    case "message": {
      const policy = task.of.container.terminationMessagePolicy;
      const text = await terminationMessage(
        runtime,
        task.run,
        { policy, containers: bench.containerCount },
        context,
      ).catch((error: unknown) => {
        if (context.signal.aborted) throw error;
        context.log.warn({ container: task.run.name, err: errorText(error) }, "no termination message to be had");
        return "";
      });
      found.messages.set(runKey(task.run), text);
    }
  }
}

async function stop(
  { ref, signal, deadline }: Extract<Task, { readonly type: "stop" }>,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const left = Math.ceil((deadline - bench.now()) / 1000);
  const gracePeriodSeconds = deadline === 0 ? 0 : Math.max(leastGraceSeconds, left);
  try {
    await bench.runtime.stopContainer(ref, { gracePeriodSeconds, signal }, context);
  } catch (error) {
    if (!context.signal.aborted) {
      const message = `error killing pod: failed to kill container ${ref.name}: ${errorText(error)}`;
      bench.tell({ type: "Warning", reason: "FailedKillPod", message });
    }
    throw error;
  }
  bench.found.stopped.add(runKey(ref));
}

async function create(
  { of, attempt, notes }: Extract<Task, { readonly type: "create" }>,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const { request } = bench;
  if (request === undefined) return;
  try {
    if (of.resolved?.missing !== undefined) throw new VirtualKubeletError("Invalid", of.resolved.missing);
    const fileKey = await readFileKeys(bench.runtime, bench.owner.uid, of.resolved, context);
    const spec = containerSpec(request, of, attempt, { ...notes, at: bench.now() }, { ...bench.addresses(), fileKey });
    const unfit = rootFault(spec.security, of.name, bench.owner);
    if (unfit !== undefined) throw new VirtualKubeletError("Invalid", unfit);
    await bench.runtime.createContainer(spec, context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const { kind, reason } = VirtualKubeletError.from(error);
    // The image may have been removed meanwhile, unless it was not even asked for.
    if (of.resolved?.missing === undefined) bench.found.images.delete(of.name);
    const config = kind === "Invalid" || kind === "Unsupported";
    failed(of, attempt, reason ?? (config ? "CreateContainerConfigError" : "CreateContainerError"), error, bench);
    return;
  }
  bench.found.startErrors.delete(of.name);
  bench.tell({ type: "Normal", reason: "Created", message: "Container created", container: of.name });
}

async function start(
  { of, run }: Extract<Task, { readonly type: "start" }>,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  try {
    await bench.runtime.startContainer(refOf(run), context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    failed(of, run.attempt, VirtualKubeletError.from(error).reason ?? "RunContainerError", error, bench);
    return;
  }
  bench.found.startErrors.delete(of.name);
  bench.tell({ type: "Normal", reason: "Started", message: "Container started", container: of.name });
}

async function resize(
  { of, run, resize: change }: Extract<Task, { readonly type: "resize" }>,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  try {
    const pod = bench.request?.pod ?? {};
    const wanted = runResources(pod, change.wanted);
    await bench.runtime.updateResources?.(refOf(run), wanted, podResources(pod), context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const { kind } = VirtualKubeletError.from(error);
    if (kind === "Unsupported" || kind === "Invalid")
      bench.found.unresizable.set(resizeId(run, change), errorText(error));
    else {
      bench.found.resizeErrors.set(runKey(run), errorText(error));
      const pod = bench.request?.pod;
      const once = `${resizeId(run, change)} ${errorText(error)}`;
      if (pod !== undefined)
        bench.tell({
          type: "Warning",
          reason: "ResizeError",
          message: resizeText("error", pod, errorText(error)),
          once,
        });
      throw error;
    }
    return;
  }
  bench.found.resizeErrors.delete(runKey(run));
  bench.remember(of.name, run.attempt, { resources: change.wanted });
}

function failed(of: PodContainer, attempt: number, reason: string, error: unknown, bench: TaskBench): void {
  const message = errorText(error);
  const now = bench.now();
  const image = of.container.image ?? "";
  bench.found.startFailed(of.name, { attempt, image, reason, message, at: now, againAt: now + retryMs });
  bench.tell({ type: "Warning", reason: "Failed", message: `Error: ${message}`, container: of.name });
}

function rootFault(
  security: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number },
  name: string,
  owner: PodOwner,
): string | undefined {
  if (security.runAsNonRoot !== true || security.runAsUser !== 0) return undefined;
  return `container's runAsUser breaks non-root policy (pod: "${podText(owner)}", container: ${name})`;
}

async function postStart(
  of: PodContainer,
  run: RuntimeContainer,
  bench: TaskBench,
  context: CallContext,
): Promise<void> {
  const handler = of.container.lifecycle?.postStart;
  const outcome =
    handler === undefined
      ? ({ type: "succeeded" } as const)
      : await bench.runHook(handler, targetOf(of, run, bench), context);
  if (outcome.type === "succeeded") {
    bench.remember(of.name, run.attempt, { postStarted: true });
    if (outcome.warning !== undefined) bench.tell({ type: "Warning", ...outcome.warning });
    return;
  }
  bench.found.postStartFailed.add(runKey(run));
  context.log.warn({ container: of.name, err: outcome.message }, "postStart hook failed");
  bench.tell({ ...hookFailedEvents.postStart, container: of.name });
}

/** Whatever comes of it, the container is stopped next. */
async function preStop(of: PodContainer, run: RuntimeContainer, bench: TaskBench, context: CallContext): Promise<void> {
  const handler = of.container.lifecycle?.preStop;
  if (handler !== undefined) {
    const outcome = await bench.runHook(handler, targetOf(of, run, bench), context);
    if (outcome.type === "failed") {
      context.log.warn({ container: of.name, err: outcome.message }, "preStop hook failed");
      bench.tell({ ...hookFailedEvents.preStop, container: of.name });
    } else if (outcome.warning !== undefined) bench.tell({ type: "Warning", ...outcome.warning });
  }
  bench.preStopped(run);
}

export function targetOf(of: PodContainer, run: RuntimeContainer, bench: TaskBench): RunTarget {
  const ref = refOf(run);
  return {
    owner: bench.owner,
    ref,
    container: of.container,
    podIPs: bench.addresses().podIPs,
    exec: (command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult> =>
      bench.runtime.exec(ref, command, io, context),
  };
}
