// The log of a container of a group: in which stream it is, which part of it, and whether more comes.
import type { CallContext, Clock, ContainerLogOptions, ContainerLogs } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import { askedLog } from "./asked-log.ts";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";
import { familyOfArn, logStream } from "./names.ts";
import type { RunRecords } from "./run-records.ts";
import { taskLogs } from "./task-logs.ts";
import type { TaskReader } from "./task-reader.ts";

export interface ContainerLogsOptions {
  readonly aws: Pick<AwsApi, "getLogEvents">;
  readonly reader: Pick<TaskReader, "some">;
  readonly runs: Pick<RunRecords, "of">;
  readonly config: Pick<FargateConfig, "logs">;
  readonly clock: Clock;
}

/** Throws NotFound where there was no run before, and Unsupported where it cannot be told from the present one. */
export async function containerLogs(
  { aws, reader, runs, config, clock }: ContainerLogsOptions,
  { group, container }: GroupContainer,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const family = familyOfArn(group.annotations?.["backend.virtual-kubelet.io/task-definition"] ?? "");
  // The Go provider's streams begin with family and container.
  const prefix = family.startsWith("vk-podspec_") ? `${family}_${container}` : group.owner.namespace;
  const report = group.containers.find(({ name }) => name === container);
  const known = runs.of(group.id, container);
  const hadEnded = known?.seen?.end !== undefined;
  const asked = askedLog(
    { name: container, report, runs: known?.runs, hasEnded: hadEnded, task: known?.task },
    options,
  );
  const { task: taskId = group.id, from, to, isOver } = asked;
  const run = known?.runs.runtimeId;
  const hasEnded = async (given: CallContext): Promise<boolean> => {
    const task = (await reader.some([group.id], given)).get(group.id);
    const found = task?.containers?.find(({ name }) => name === container);
    return task === undefined || task.lastStatus === "STOPPED" || found?.lastStatus === "STOPPED";
  };
  const endsAt = (): number | undefined => {
    const now = runs.of(group.id, container)?.runs;
    return run === undefined || now === undefined || now.runtimeId === run
      ? undefined
      : (now.before?.to ?? clock.now());
  };
  const stream = { group: config.logs?.group ?? "", name: logStream(prefix, container, taskId), from, to };
  return isOver
    ? taskLogs({ aws, clock }, stream, { ...options, follow: false }, context)
    : taskLogs({ aws, clock }, { ...stream, following: { hasEnded, endsAt } }, options, context);
}
