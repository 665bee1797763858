// A virtual kubelet's provider over HashiCorp Nomad.
export { type NomadConfig, parseNomadConfig } from "./config.ts";
export { NomadBackend, type NomadBackendOptions } from "./nomad-backend.ts";
export type { NomadClient } from "./nomad-client.ts";
export {
  checkProvider,
  createNomadProvider,
  createProvider,
  describeProvider,
  nomadProviderOf,
} from "./nomad-provider.ts";
