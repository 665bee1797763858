// A small control plane in this process, for trials and fast tests: @virtual-kubelet/dev-cluster.

export type { AuditEvent } from "./audit.ts";
export { type DevCluster, type DevClusterOptions, notForProduction, startDevCluster } from "./dev-cluster.ts";
