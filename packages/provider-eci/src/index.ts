// A virtual kubelet's provider over Alibaba Cloud Elastic Container Instance.
export type { EciClient } from "./eci-client.ts";
