// What tests of programs and providers may use: @virtual-kubelet/virtual-kubelet/testing.
export { defaultKubernetesVersion, kubernetesVersions } from "./binaries.ts";
export { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
