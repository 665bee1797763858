// What tests of programs and providers may use: @virtual-kubelet/virtual-kubelet/testing.

export {
  createMockProvider,
  type MockControl,
  type MockProvider,
  type MockProviderOptions,
} from "../providers/mock/mock-provider.ts";
export { defaultKubernetesVersion, kubernetesVersions } from "./binaries.ts";
export type { ConformanceOptions, ConformanceSubject, PodTemplate } from "./conformance-bench.ts";
export { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
export { eventually, throughout } from "./eventually.ts";
export { FakeClock, settle } from "./fake-clock.ts";
export { assertGolden } from "./golden.ts";
export type {
  GroupRunner,
  RunnerContainer,
  RunnerGroup,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
  RunningGroup,
} from "./group-runner.ts";
export { MemoryGroups, type MemoryGroupsOptions } from "./memory-groups.ts";
export { type CertificateAuthority, createAuthority, type IssuedCertificate } from "./pki.ts";
export { type PlanOptions, planOutput } from "./plan-output.ts";
export { providerConformance } from "./provider-conformance.ts";
export { providerSemantics, type SemanticsOptions, type SemanticsPart } from "./provider-semantics.ts";
export { reportFaults } from "./report-faults.ts";
export { type RequestedPod, type RequestsFor, resolvedRequest, resolvedRequests } from "./resolved-requests.ts";
export { processesWith, type SemanticsHost, type SemanticsSubject } from "./semantics-subject.ts";
