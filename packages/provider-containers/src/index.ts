// A virtual kubelet's provider over Docker or Podman.
export type { ContainersConfig } from "./config.ts";
