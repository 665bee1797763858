// The drivers of Nomad that pods can run by, and which a pod runs by. Pure.
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export const drivers = ["docker", "podman", "exec", "raw_exec", "java"] as const;
export type Driver = (typeof drivers)[number];

const annotation = "nomad.virtual-kubelet.io/driver";

/** Throws Unsupported for one that pods may not choose. */
export function driverOf(
  pod: Pick<Pod, "metadata">,
  config: { readonly driver: Driver; readonly allowedDrivers: readonly Driver[] },
): Driver {
  const wanted = pod.metadata?.annotations?.[annotation];
  if (wanted === undefined) return config.driver;
  const found = config.allowedDrivers.find((each) => each === wanted);
  if (found !== undefined) return found;
  throw new VirtualKubeletError(
    "Unsupported",
    `the driver ${JSON.stringify(wanted)} is not allowed here: allowed are ${config.allowedDrivers.join(", ")}`,
    { field: `metadata.annotations[${annotation}]` },
  );
}

/** Runs images of containers, with mounts of any path. */
export function runsImages(driver: Driver): boolean {
  return driver === "docker" || driver === "podman";
}
