// Probes as the cloud runs them.
import { PassThrough } from "node:stream";
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import { request } from "undici";
import type { ContainerProbe, ContainerProperties } from "../wire-containers.ts";
import type { FakeRun } from "./fake-run.ts";

export interface Probed {
  readonly running: RunningGroup;
  readonly container: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Until the signal ends it, or liveness has failed for good and the container is ended for it. Failures become events. */
export async function probeRun(
  run: FakeRun,
  { livenessProbe, readinessProbe }: ContainerProperties,
  target: Probed,
  graceMs: number,
): Promise<void> {
  const { running, container } = target;
  const ready = probe(readinessProbe, target, (why) => {
    run.tell("Unhealthy", `Readiness probe failed: ${why}`, "Warning");
    return "go on";
  });
  const alive = probe(livenessProbe, target, (why, failures) => {
    run.tell("Unhealthy", `Liveness probe failed: ${why}`, "Warning");
    return failures < (livenessProbe?.failureThreshold ?? 3) ? "go on" : "end";
  });
  if ((await alive) === "ended") {
    run.tell("Killing", `Killing container with id ${container}: container failed liveness probe.`);
    await running.stop(container, graceMs);
  }
  await ready;
}

/** Runs the probe until the signal aborts, or `onFailure` (told why, and how often in a row) says so: "ended" then. */
async function probe(
  probed: ContainerProbe | undefined,
  target: Probed,
  onFailure: (why: string, failures: number) => "go on" | "end",
): Promise<"ended" | undefined> {
  if (probed === undefined) return undefined;
  const { running, container, clock, signal } = target;
  const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1 } = probed;
  await pause(clock, initialDelaySeconds * 1000, signal);
  for (let failures = 0; !signal.aborted; await pause(clock, periodSeconds * 1000, signal)) {
    const end = AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
    const fault = await faultOf(running, container, probed, end);
    failures = fault === undefined ? 0 : failures + 1;
    if (fault !== undefined && !signal.aborted && onFailure(fault, failures) === "end") return "ended";
  }
  return undefined;
}

async function faultOf(
  running: RunningGroup,
  container: string,
  { exec, httpGet }: ContainerProbe,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (exec !== undefined) {
      const output = new PassThrough().resume();
      const code = await running.exec(container, exec.command ?? [], { stdout: output, tty: false }, signal);
      return code === 0 ? undefined : `exit code ${code}`;
    }
    if (httpGet === undefined) return undefined;
    const { path = "/", port, scheme = "http", httpHeaders = [] } = httpGet;
    const headers = Object.fromEntries(httpHeaders.map(({ name = "", value = "" }) => [name, value]));
    const answer = await request(`${scheme}://${running.ip}:${port}${path}`, { headers, signal });
    await answer.body.dump();
    return answer.statusCode < 400 ? undefined : `HTTP probe failed with statuscode: ${answer.statusCode}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
