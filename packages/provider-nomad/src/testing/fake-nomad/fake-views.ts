// Jobs and allocations as Nomad's answers have them.
import type { NomadAllocation } from "../../wire.ts";
import type { FakeAllocation } from "./fake-allocation.ts";
import type { JobEntry } from "./fake-jobs.ts";

export function jobView(entry: JobEntry, status: string): object {
  const { job, createIndex, modifyIndex, jobModifyIndex, submitTime, version } = entry;
  return {
    ...job,
    Meta: job.Meta ?? null,
    TaskGroups: job.TaskGroups.map((group) => ({
      ...group,
      Tasks: group.Tasks.map((task) => ({
        ...{ ...task, Lifecycle: task.Lifecycle ?? null, Templates: task.Templates ?? null },
      })),
    })),
    ...{ Status: status, StatusDescription: "", Stable: false, Version: version, SubmitTime: submitTime },
    ...{ CreateIndex: createIndex, ModifyIndex: modifyIndex, JobModifyIndex: jobModifyIndex },
  };
}

export function jobStub(entry: JobEntry, status: string, withMeta: boolean): object {
  const { job, namespace, modifyIndex, jobModifyIndex, createIndex, submitTime } = entry;
  const { ID, Name, Datacenters, NodePool = "default", Type, Priority, Stop, Meta } = job;
  return {
    ...{ ID, Namespace: namespace, ParentID: "", Name, Datacenters, NodePool, Type, Priority, Stop },
    ...{ Status: status, StatusDescription: "", CreateIndex: createIndex, ModifyIndex: modifyIndex },
    ...{ JobModifyIndex: jobModifyIndex, SubmitTime: submitTime },
    ...(withMeta ? { Meta: Meta ?? null } : {}),
  };
}

/** Lists have no network, and resources only where they are asked for. */
export function allocationView(
  allocation: FakeAllocation,
  kind: "stub" | "stubWithResources" | "whole",
): NomadAllocation {
  const { id, options, taskStates, createIndex, modifyIndex, createdAt, modifiedAt, address } = allocation;
  const { job, group, node, ports } = options;
  const isUp = [...taskStates.values()].some(({ StartedAt }) => StartedAt !== null);
  return {
    ...{ ID: id, JobID: job.ID, Namespace: job.Namespace ?? "default", NodeID: node.ID, NodeName: node.Name },
    ...{ TaskGroup: group.Name, DesiredStatus: allocation.desired },
    // The whole leaves out what is empty.
    ...(kind === "whole" && allocation.desiredDescription === ""
      ? {}
      : { DesiredDescription: allocation.desiredDescription }),
    ...{ ClientStatus: allocation.clientStatus, ClientDescription: descriptions[allocation.clientStatus] },
    ...{ CreateIndex: createIndex, ModifyIndex: modifyIndex },
    ...{ CreateTime: createdAt * 1_000_000, ModifyTime: modifiedAt * 1_000_000 },
    TaskStates: taskStates.size === 0 ? null : Object.fromEntries(taskStates),
    ...(kind === "whole"
      ? { NetworkStatus: isUp && address !== undefined ? { Address: address, AddressIPv6: "" } : null }
      : {}),
    ...(kind !== "stub"
      ? {
          AllocatedResources: {
            Shared: {
              Ports: ports.length === 0 ? null : ports,
              Networks: (group.Networks ?? []).map(({ Mode }) => ({ Mode, IP: node.Address })),
            },
          },
        }
      : {}),
  };
}

const descriptions: Readonly<Record<NomadAllocation["ClientStatus"], string>> = {
  pending: "No tasks have started",
  running: "Tasks are running",
  complete: "All tasks have completed",
  failed: "Failed tasks",
  lost: "alloc lost since its node is down",
  unknown: "",
};
