// What the cloud tells of a group and its containers, as events of the pod: each happening with a key that is the same in every answer.
// Pure.
import type { CloudEvent } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { ContainerGroup } from "./wire.ts";
import type { InstanceEvent } from "./wire-views.ts";

/** `hidden`: containers of ours. */
export function groupEvents({ properties }: ContainerGroup, hidden: ReadonlySet<string>): readonly CloudEvent[] {
  const { instanceView, containers, initContainers = [] } = properties;
  const own = (instanceView?.events ?? []).flatMap((event) => eventOf(event, undefined));
  const ofContainers = [...initContainers, ...containers]
    .filter(({ name }) => !hidden.has(name))
    .flatMap((container) =>
      (container.properties.instanceView?.events ?? []).flatMap((event) => eventOf(event, container.name)),
    );
  // The cloud tells a pull both of the container and of the group.
  const told = new Set(ofContainers.map(({ reason, message, time }) => `${reason}/${message}/${time}`));
  return [...own.filter(({ reason, message, time }) => !told.has(`${reason}/${message}/${time}`)), ...ofContainers];
}

function eventOf(event: InstanceEvent, container: string | undefined): readonly CloudEvent[] {
  const { name = "", message = "", type, count = 1, firstTimestamp = "", lastTimestamp = firstTimestamp } = event;
  const time = Date.parse(lastTimestamp);
  const reason = name.replaceAll(/[^A-Za-z0-9]/g, "");
  if (reason === "" || !Number.isFinite(time)) return [];
  return [
    {
      key: `${reason}/${container ?? ""}/${firstTimestamp}/${count}`,
      time,
      eventType: type === "Warning" ? "Warning" : "Normal",
      reason,
      message,
      ...(container !== undefined && { container }),
    },
  ];
}
