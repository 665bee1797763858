// A virtual kubelet's provider over Docker or Podman.
export { type ContainersConfig, parseContainersConfig } from "./config.ts";
export { checkProvider, createContainersProvider, createProvider, describeProvider } from "./containers-provider.ts";
export { ContainersRuntime, type ContainersRuntimeOptions } from "./containers-runtime.ts";
