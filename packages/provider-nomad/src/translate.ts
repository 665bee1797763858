// A pod as a job of Nomad: one group with a task for each container, which is placed once and never moved. Pure.
import { type PodRequest, type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ownerTags, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import { driverOf } from "./drivers.ts";
import { VariableItems } from "./files.ts";
import type { JobPlan } from "./job-plan.ts";
import { filesPath, groupName, jobID, variablePath } from "./names.ts";
import { networkMode, podNetwork } from "./network.ts";
import { podNotes } from "./refusals.ts";
import type { Fleet } from "./resources.ts";
import { restartsOf } from "./restarts.ts";
import { turnsOf } from "./start-order.ts";
import { podTask } from "./task.ts";
import { groupVolumes } from "./volumes.ts";
import type { NomadVariable } from "./wire.ts";
import type { NomadTask } from "./wire-job.ts";

/** Of the Go provider: a comma list. */
const datacentersKey = "nomad.hashicorp.com/datacenters";

/** Throws Unsupported or Invalid with the field. */
export function translate(request: PodRequest, config: NomadConfig, fleet: Fleet): JobPlan {
  const { owner, pod, revision, resolved } = request;
  const spec = specOf(pod);
  if (resolved === undefined) throw new VirtualKubeletError("Internal", "the pod was not resolved");
  const id = jobID(owner.uid);
  const driver = driverOf(pod, config);
  const notes: CreateNote[] = [...podNotes(spec, driver)];
  const restarts = restartsOf(spec);
  const turns = turnsOf(spec);
  const volumes = groupVolumes(spec, config);
  const files = new VariableItems(filesPath(id), owner);
  const variables: NomadVariable[] = [];
  const tasks = placedContainers(spec).flatMap((placed): readonly NomadTask[] => {
    const { name } = placed.container;
    const known = resolved.containers.find((each) => each.name === name);
    if (known === undefined) return [];
    const items = new VariableItems(variablePath(id, name), owner);
    const made = podTask({
      ...{ placed, resolved: known, pod: resolved, spec, driver, files, items, config, fleet },
      networkMode: networkMode(spec, config),
      turn: turns.get(name),
      restartPolicy: restarts.policies.get(name),
    });
    const variable = items.variable();
    if (variable !== undefined) variables.push(variable);
    notes.push(...made.notes);
    return [made.task];
  });
  const ofFiles = files.variable();
  const datacenters = (pod.metadata.annotations?.[datacentersKey] ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const logsMB = tasks.length * config.logs.maxFiles * config.logs.maxFileSizeMB;
  return {
    job: {
      ...{ ID: id, Name: `${owner.namespace}/${owner.name}`, Type: restarts.type },
      ...(config.region === "" ? {} : { Region: config.region }),
      ...{ Namespace: config.namespace, NodePool: config.nodePool },
      Datacenters: datacenters.length > 0 ? datacenters : config.datacenters,
      Priority: config.priority,
      Meta: { ...ownerTags(owner, revision), ...metaOf(restarts.putOff) },
      TaskGroups: [
        {
          ...{ Name: groupName, Count: 1 },
          RestartPolicy: { Attempts: 0, Interval: 300_000_000_000, Delay: 1_000_000_000, Mode: "fail" },
          // Who made the pod makes another: Nomad itself moves nothing.
          ReschedulePolicy: { Attempts: 0, Unlimited: false },
          Disconnect: { Replace: false },
          ...(restarts.type === "service" && { Update: { MaxParallel: 0 } }),
          // Nomad wants room for all the logs.
          EphemeralDisk: { SizeMB: Math.max(config.ephemeralDiskMB, logsMB + 10), Sticky: false, Migrate: false },
          Networks: [podNetwork(spec, resolved, config, driver)],
          ...(Object.keys(volumes).length > 0 && { Volumes: volumes }),
          Tasks: tasks,
        },
      ],
    },
    variables: [...variables, ...(ofFiles === undefined ? [] : [ofFiles])],
    notes,
  };
}

/** Names of containers whose restart is put off for good: it is their end. */
const endsKey = "virtual-kubelet.io/ends-once";

function metaOf(putOff: ReadonlySet<string>): Record<string, string> {
  return putOff.size === 0 ? {} : { [endsKey]: [...putOff].join(",") };
}

export function endsOnce(meta: Readonly<Record<string, string>>): ReadonlySet<string> {
  return new Set((meta[endsKey] ?? "").split(",").filter((name) => name !== ""));
}

function specOf({ spec }: { readonly spec?: PodSpec | undefined }): PodSpec {
  if (spec === undefined) throw new VirtualKubeletError("Invalid", "the pod has no spec", { field: "spec" });
  return spec;
}
