// Runs lifecycle hooks: a command in the container, a GET to it, or a while of waiting.
import { type Clock, pause, systemClock } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { HTTPGetAction, LifecycleHandler } from "../kube/types.gen.ts";
import type { CallContext } from "../provider.ts";
import { Deadline } from "./probe-deadline.ts";
import { execInRun } from "./probe-exec.ts";
import { httpGet } from "./probe-http.ts";
import { httpGetRequest } from "./probe-http-request.ts";
import type { HookOutcome, RunHook, RunTarget } from "./probe-results.ts";
import { goDuration, hostPort, userAgent } from "./probe-text.ts";

export interface HookRunnerOptions {
  /** For the User-Agent, e.g. "v1.36.3". */
  readonly kubernetesVersion: string;
  readonly clock?: Clock | undefined;
  /** Longest time of a hook, milliseconds; a hook that takes longer has failed. Absent: as long as the caller's signal lets it. */
  readonly limitMs?: number | undefined;
}

/** Warning events of hooks that failed. Why is for the log: it may quote what servers and commands say. */
export const hookFailedEvents = {
  postStart: { type: "Warning", reason: "FailedPostStartHook", message: "PostStartHook failed" },
  preStop: { type: "Warning", reason: "FailedPreStopHook", message: "PreStopHook failed" },
} as const;

export function hookRunner({ clock = systemClock, kubernetesVersion, limitMs }: HookRunnerOptions): RunHook {
  const agent = userAgent("lifecycle", kubernetesVersion);
  return async (handler, target, context) => {
    using deadline = new Deadline(clock, limitMs, context.signal);
    deadline.throwIfAborted();
    const outcome = await run(handler, target, { agent, clock, deadline, log: context.log });
    deadline.throwIfAborted();
    if (!deadline.isOver) return outcome;
    return failed(handler, target, `it took longer than ${goDuration(limitMs ?? 0)}`);
  };
}

interface HookBench extends Pick<CallContext, "log"> {
  readonly agent: string;
  readonly clock: Clock;
  readonly deadline: Deadline;
}

async function run(handler: LifecycleHandler, target: RunTarget, bench: HookBench): Promise<HookOutcome> {
  const { exec, httpGet: get, sleep } = handler;
  try {
    if (exec !== undefined) {
      const executed = await execInRun(exec.command ?? [], target, bench.deadline, bench.log);
      if (executed === undefined || executed.exitCode === 0) return { type: "succeeded" };
      return failed(handler, target, `command exited with ${executed.exitCode}`);
    }
    if (get !== undefined) return await getHook(handler, get, target, bench);
    if (sleep !== undefined) {
      await pause(bench.clock, sleep.seconds * 1000, bench.deadline.signal);
      return { type: "succeeded" };
    }
    return { type: "failed", message: "Cannot run handler: invalid handler" };
  } catch (error) {
    return failed(handler, target, errorText(error));
  }
}

/** Any answer will do. A server that does not speak TLS is asked again without it, and without the credentials. */
async function getHook(
  handler: LifecycleHandler,
  action: HTTPGetAction,
  target: RunTarget,
  { agent, deadline }: HookBench,
): Promise<HookOutcome> {
  const request = httpGetRequest(action, target, agent);
  const outcome = await httpGet(request, deadline);
  if (outcome.type === "answer") return { type: "succeeded" };
  if (outcome.plain) {
    const headers = request.headers.filter(([name]) => name !== "Authorization");
    const again = await httpGet({ ...request, scheme: "http", headers }, deadline);
    if (again.type === "answer") {
      const where = hostPort(request.host, request.port);
      const message = `request to HTTPS lifecycle hook ${where} got HTTP response, retry with HTTP succeeded`;
      return { type: "succeeded", warning: { reason: "LifecycleHTTPFallback", message } };
    }
  }
  return failed(handler, target, outcome.text);
}

/** Names the hook and why it failed; not what it printed. */
function failed(handler: LifecycleHandler, { container, owner }: RunTarget, why: string): HookOutcome {
  const what =
    handler.exec !== undefined
      ? "Exec lifecycle hook"
      : handler.httpGet !== undefined
        ? `HTTP lifecycle hook (${handler.httpGet.path ?? ""})`
        : "Sleep lifecycle hook";
  const pod = `${owner.name}_${owner.namespace}(${owner.uid})`;
  const message = `${what} for Container "${container.name}" in Pod "${pod}" failed - error: ${why}`;
  return { type: "failed", message };
}
