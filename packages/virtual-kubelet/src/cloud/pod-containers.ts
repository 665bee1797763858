// The containers of a pod that become something of a cloud each, in their order, with their place in the spec. Pure.
import type { Container, PodSpec } from "../kube/types.gen.ts";
import { isSidecar } from "../status/restart-policy.ts";

export interface PlacedContainer {
  readonly container: Container;
  /** "sidecar": an init container that keeps running. */
  readonly kind: "init" | "sidecar" | "main";
  /** Path in the pod: `spec.containers[0]`. */
  readonly field: string;
}

export function placedContainers({ initContainers = [], containers }: PodSpec): readonly PlacedContainer[] {
  return [
    ...initContainers.map((container, index) => ({
      container,
      kind: isSidecar(container) ? ("sidecar" as const) : ("init" as const),
      field: `spec.initContainers[${index}]`,
    })),
    ...containers.map((container, index) => ({ container, kind: "main" as const, field: `spec.containers[${index}]` })),
  ];
}
