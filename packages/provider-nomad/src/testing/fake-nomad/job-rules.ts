// What Nomad's servers refuse of a job that they can read. Pure.
import type { FakeGroup, FakeJob, FakeTask } from "./job-schema.ts";

/** In the words of the answer, status 500; undefined: it is taken. */
export function jobFault(job: FakeJob, namespaces: readonly string[]): string | undefined {
  const namespace = job.Namespace ?? "default";
  if (!namespaces.includes(namespace)) return `job "${job.ID}" is in nonexistent namespace "${namespace}"`;
  const faults = [
    ...(/[\s\0]/.test(job.ID) ? ["Job ID contains a space"] : []),
    ...(job.TaskGroups.length === 0 ? ["Missing job task groups"] : []),
    ...((job.Datacenters ?? []).length === 0 ? ["Missing job datacenters"] : []),
    ...(job.Priority < 1 || job.Priority > 100 ? ["Job priority must be between [1, 100]"] : []),
    ...job.TaskGroups.flatMap((group) =>
      inside(`Task group ${group.Name} validation failed: `, groupFaults(group, job)),
    ),
  ];
  return faults.length === 0 ? undefined : listed(faults);
}

/** One fault that names all of these; none of none. */
function inside(what: string, faults: readonly string[]): readonly string[] {
  return faults.length === 0 ? [] : [`${what}${listed(faults)}`];
}

function listed(faults: readonly string[]): string {
  const lines = faults.map((fault) => `\t* ${fault}`).join("\n");
  return `${faults.length} error${faults.length > 1 ? "s" : ""} occurred:\n${lines}\n\n`;
}

function groupFaults(group: FakeGroup, job: FakeJob): readonly string[] {
  const { Tasks, Update, Migrate, EphemeralDisk, Networks } = group;
  const names = Tasks.map(({ Name }) => Name);
  const logsMB = Tasks.reduce(
    (sum, { LogConfig }) => sum + (LogConfig?.MaxFiles ?? 10) * (LogConfig?.MaxFileSizeMB ?? 10),
    0,
  );
  const labels = (Networks ?? []).flatMap(({ ReservedPorts, DynamicPorts }) =>
    [...(ReservedPorts ?? []), ...(DynamicPorts ?? [])].map(({ Label }) => Label),
  );
  return [
    ...(Tasks.every(({ Lifecycle }) => Lifecycle !== undefined)
      ? [`Task group ${group.Name} must have at least one main task`]
      : []),
    ...(new Set(names).size < names.length ? ["a task is defined twice"] : []),
    ...(job.Type === "batch" && Update !== undefined ? ['Job type "batch" does not allow update block'] : []),
    ...(job.Type === "batch" && Migrate !== undefined ? ['Job type "batch" does not allow migrate block'] : []),
    ...(new Set(labels).size < labels.length ? ["a port label is already in use"] : []),
    ...labels.flatMap((label) => (/^[a-zA-Z0-9_]+$/.test(label) ? [] : [`${label} is no label of a port`])),
    ...Tasks.flatMap((task) => inside(`Task ${task.Name} validation failed: `, taskFaults(task, group))),
    ...(logsMB >= EphemeralDisk.SizeMB
      ? [`log storage (${logsMB} MB) must be less than requested disk capacity (${EphemeralDisk.SizeMB} MB)`]
      : []),
  ];
}

function taskFaults(task: FakeTask, group: FakeGroup): readonly string[] {
  const { Name, Resources, RestartPolicy, VolumeMounts, Templates } = task;
  const places = (Templates ?? []).map(({ DestPath }) => DestPath);
  const policies = [RestartPolicy, group.RestartPolicy].flatMap((policy) => policy ?? []);
  return [
    ...(Name.includes("/") ? ["Task name cannot include slashes"] : []),
    ...(Name === "alloc" ? ['Task cannot be named "alloc"'] : []),
    ...(Resources.CPU < 1 ? [`minimum CPU value is 1; got ${Resources.CPU}`] : []),
    ...(Resources.MemoryMB < 10 ? [`minimum MemoryMB value is 10; got ${Resources.MemoryMB}`] : []),
    ...((Resources.MemoryMaxMB ?? Resources.MemoryMB) < Resources.MemoryMB
      ? [`MemoryMaxMB value (${Resources.MemoryMaxMB}) should be larger than MemoryMB value (${Resources.MemoryMB})`]
      : []),
    ...policies.flatMap(({ Attempts, Interval, Delay, Mode }) =>
      Interval < 5_000_000_000 || Attempts * Delay > Interval || (Attempts === 0 && Mode !== "fail")
        ? ["the restart policy cannot be held"]
        : [],
    ),
    ...(VolumeMounts ?? []).flatMap(({ Volume }, index) =>
      group.Volumes?.[Volume] === undefined ? [`Volume Mount (${index}) references undefined volume ${Volume}`] : [],
    ),
    ...(new Set(places).size < places.length ? ["a template has the same destination as another"] : []),
    ...places.flatMap((path) =>
      path.split("/").includes("..") ? ["template destination escapes the allocation's directory"] : [],
    ),
  ];
}
