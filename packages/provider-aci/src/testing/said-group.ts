// What the cloud says of a group of one container, for tests of what is reported of it.
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { groupReport } from "../group-report.ts";
import type { ContainerGroup, Tags } from "../wire.ts";
import type { ContainerProperties } from "../wire-containers.ts";
import type { ContainerInstanceView, InstanceEvent } from "../wire-views.ts";

export const saidOwner: PodOwner = { cluster: "c", node: "vk", namespace: "shop", name: "web", uid: "u" };
export const ownTags: Tags = Object.fromEntries(
  Object.entries(saidOwner).map(([key, value]) => [`virtual-kubelet.io.${key}`, value]),
);
export const saidId: string =
  "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/shop-web-u";
const now = Date.parse("2026-01-01T00:10:00Z");

export interface Said {
  readonly tags?: Tags;
  readonly provisioningState?: string;
  readonly state?: string | undefined;
  readonly events?: readonly InstanceEvent[];
  readonly main?: ContainerInstanceView | undefined;
  readonly container?: Partial<ContainerProperties>;
  readonly more?: Partial<ContainerGroup["properties"]>;
}

/** At ten past midnight of the first day of 2026. */
export function reportOf(said: Said): CloudGroup | undefined {
  const { tags = ownTags, provisioningState = "Succeeded", events = [], main, container = {}, more = {} } = said;
  const state = "state" in said ? said.state : "Running";
  const group: ContainerGroup = {
    ...{ id: saidId, name: "shop-web-u", tags },
    properties: {
      ...{ osType: "Linux", provisioningState },
      ...(state !== undefined && { instanceView: { state, events } }),
      containers: [
        { name: "main", properties: { image: "i", ...container, ...(main !== undefined && { instanceView: main }) } },
      ],
      ...more,
    },
  };
  return groupReport(group, { node: "vk", cluster: "c", adoptGoGroups: true, hidden: new Set(["ours"]), now });
}

export function saidEvent(name: string, message: string, lastTimestamp: string, type = "Normal"): InstanceEvent {
  return { name, message, type, count: 1, firstTimestamp: lastTimestamp, lastTimestamp };
}
