// A virtual kubelet's provider over Azure Container Instances.
export { checkProvider, createAciProvider, createProvider, describeProvider } from "./aci-provider.ts";
export { type AciConfig, parseAciConfig } from "./config.ts";
