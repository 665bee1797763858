// The log of a container of a group: in which stream it is, and whether more comes.
import type { CallContext, Clock, ContainerLogOptions, ContainerLogs } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";
import { familyOfArn, logStream } from "./names.ts";
import { taskLogs } from "./task-logs.ts";
import type { TaskReader } from "./task-reader.ts";

export interface ContainerLogsOptions {
  readonly aws: Pick<AwsApi, "getLogEvents">;
  readonly reader: Pick<TaskReader, "some">;
  readonly config: Pick<FargateConfig, "logs">;
  readonly clock: Clock;
}

export function containerLogs(
  { aws, reader, config, clock }: ContainerLogsOptions,
  { group, container }: GroupContainer,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const family = familyOfArn(group.annotations?.["backend.virtual-kubelet.io/task-definition"] ?? "");
  // The Go provider's streams begin with family and container.
  const prefix = family.startsWith("vk-podspec_") ? `${family}_${container}` : group.owner.namespace;
  const hasEnded = async (given: CallContext): Promise<boolean> => {
    const task = (await reader.some([group.id], given)).get(group.id);
    const found = task?.containers?.find(({ name }) => name === container);
    return task === undefined || task.lastStatus === "STOPPED" || found?.lastStatus === "STOPPED";
  };
  const stream = { group: config.logs?.group ?? "", name: logStream(prefix, container, group.id), hasEnded };
  return taskLogs({ aws, clock }, stream, options, context);
}
