// A virtual kubelet's provider over Alibaba Cloud Elastic Container Instance.
export type { EciConfig } from "./config.ts";
export { parseEciConfig } from "./config-schema.ts";
export { checkProvider, createEciProvider, createProvider, describeProvider } from "./eci-provider.ts";
