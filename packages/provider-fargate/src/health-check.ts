// Which probe of a container ECS can carry out, as the one health check that it has of each. ECS does nothing about an unhealthy
// container of a task that no service keeps: so it serves for readiness, and for the order of start behind a sidecar. Pure.
import type { HealthCheck } from "@aws-sdk/client-ecs";
import { type Container, isSidecar, type ProbeType } from "@virtual-kubelet/virtual-kubelet";

export interface NativeProbe {
  readonly type: ProbeType;
  readonly check: HealthCheck;
  /** What of the probe ECS has otherwise. */
  readonly rounded?: string | undefined;
}

/** Undefined: none. */
export function nativeProbe(container: Container): NativeProbe | undefined {
  if (isSidecar(container) && container.startupProbe?.exec !== undefined)
    return probeOf("startup", container.startupProbe);
  const { readinessProbe } = container;
  if (readinessProbe?.exec === undefined || (readinessProbe.successThreshold ?? 1) > 1) return undefined;
  return probeOf("readiness", readinessProbe);
}

function probeOf(type: ProbeType, probe: NonNullable<Container["readinessProbe"]>): NativeProbe | undefined {
  const command = probe.exec?.command ?? [];
  if (command.length === 0) return undefined;
  const rounded: string[] = [];
  const within = (name: string, value: number, least: number, most: number): number => {
    const near = Math.min(Math.max(value, least), most);
    if (near !== value) rounded.push(`${name} ${value} to ${near}`);
    return near;
  };
  const check = {
    command: ["CMD", ...command],
    interval: within("periodSeconds", probe.periodSeconds ?? 10, 5, 300),
    timeout: within("timeoutSeconds", probe.timeoutSeconds ?? 1, 2, 60),
    retries: within("failureThreshold", probe.failureThreshold ?? 3, 1, 10),
    startPeriod: within("initialDelaySeconds", probe.initialDelaySeconds ?? 0, 0, 300),
  };
  return { type, check, ...(rounded.length === 0 ? {} : { rounded: rounded.join(", ") }) };
}
