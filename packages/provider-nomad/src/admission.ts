// Whether a pod can ever run on Nomad, and what is told of it then, as far as its spec alone tells. Pure.
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import { driverOf } from "./drivers.ts";
import { refuseSecretArguments } from "./environment.ts";
import { networkMode, podNetwork } from "./network.ts";
import { podNotes } from "./refusals.ts";
import { taskResources, unknownFleet } from "./resources.ts";
import { restartsOf } from "./restarts.ts";
import { turnsOf } from "./start-order.ts";
import { taskConfig } from "./task-config.ts";
import { groupVolumes, refuseMounts } from "./volumes.ts";

/** Throws Unsupported or Invalid, with the field. */
export function admittedNotes(pod: Pod, config: NomadConfig): readonly CreateNote[] {
  const { spec } = pod;
  if (spec === undefined) throw new VirtualKubeletError("Invalid", "the pod has no spec", { field: "spec" });
  const driver = driverOf(pod, config);
  restartsOf(spec);
  turnsOf(spec);
  groupVolumes(spec, config);
  podNetwork(spec, { hostname: "pod" }, config, driver);
  const fleet = { ...unknownFleet, ...(config.mhzPerCore > 0 && { mhzPerCore: config.mhzPerCore }) };
  return [
    ...podNotes(spec, driver),
    ...placedContainers(spec).flatMap(({ container, field }) => {
      const amounts = taskResources(container, field, config, fleet);
      const { image = "", command, args, imagePullPolicy, env = [] } = container;
      refuseMounts(spec, container, driver, field);
      const secret = env.flatMap(({ name, valueFrom }) =>
        valueFrom?.secretKeyRef === undefined ? [] : [{ name, value: "", secret: true as const }],
      );
      refuseSecretArguments(container, { env: secret }, field);
      taskConfig({
        ...{ driver, container, image, spec, field, networkMode: networkMode(spec, config), hostname: "" },
        process: { command, args },
        ...{ pullAlways: imagePullPolicy === "Always", hasAuth: false, isHardLimit: false, binds: [] },
      });
      // How much of a limit is held depends on the fleet.
      return amounts.notes.filter(({ message }) => !message.includes("oversubscribed"));
    }),
  ];
}
