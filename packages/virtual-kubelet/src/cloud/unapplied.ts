// Which fields of a pod changed that a cloud keeps as they were at the creation. Pure.
import type { Pod } from "../kube/types.gen.ts";

/** Paths, e.g. "spec.containers[0].image": of what the API lets change in a bound pod, less what the core does itself. */
export function changedFields(before: Pod, after: Pod): readonly string[] {
  return (["initContainers", "containers"] as const).flatMap((list) =>
    (after.spec?.[list] ?? []).flatMap((container, index): string[] => {
      const old = before.spec?.[list]?.[index];
      if (old === undefined || old.name !== container.name) return [];
      const path = `spec.${list}[${index}]`;
      return [
        ...(old.image === container.image ? [] : [`${path}.image`]),
        ...(JSON.stringify(old.resources) === JSON.stringify(container.resources) ? [] : [`${path}.resources`]),
      ];
    }),
  );
}
