// A virtual kubelet's provider over AWS Fargate.
export type { AwsApi, AwsCall } from "./aws-api.ts";
export { type FargateConfig, parseFargateConfig } from "./config.ts";
export { FargateBackend, type FargateBackendOptions } from "./fargate-backend.ts";
export {
  checkProvider,
  createFargateProvider,
  createProvider,
  describeProvider,
  fargateProviderOf,
} from "./fargate-provider.ts";
