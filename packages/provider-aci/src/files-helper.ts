// The container that brings files into volumes before all others of a group run. Pure.
import type { PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type DeliveredVolume, fileDelivery } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import type { DeliveredFiles } from "./volumes.ts";
import type { InitContainerDefinition } from "./wire-containers.ts";

export const helperContainer = "virtual-kubelet-files";
const root = "/virtual-kubelet";

/** None where there is nothing to bring. Throws Unsupported with the field for too much. */
export function helperOf(
  delivered: ReadonlyMap<string, DeliveredFiles>,
  spec: PodSpec,
  { helperImage }: Pick<AciConfig, "helperImage">,
): readonly InitContainerDefinition[] {
  if (delivered.size === 0) return [];
  const volumes = [...delivered].map(([name, { files, field }]) => ({ name, path: `${root}/${name}`, files, field }));
  const gid = spec.securityContext?.fsGroup;
  const given: readonly DeliveredVolume[] = volumes;
  const { variables, script } = fileDelivery(given, gid === undefined ? {} : { gid });
  return [
    {
      name: helperContainer,
      properties: {
        image: helperImage,
        command: ["/bin/sh", "-c", script],
        // What is in them may be seen by who may see the group otherwise.
        environmentVariables: variables.map(({ name, value }) => ({ name, secureValue: value })),
        volumeMounts: volumes.map(({ name, path }) => ({ name, mountPath: path })),
        securityContext: { runAsUser: 0 },
      },
    },
  ];
}
