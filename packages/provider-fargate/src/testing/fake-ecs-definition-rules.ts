// What ECS refuses in a task definition for Fargate: written from its documentation, apart from the provider's own rules.
import type { ContainerDefinition, RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";
import type { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { refusal } from "./aws-refusal.ts";

const client = (message: string): VirtualKubeletError => refusal("ClientException", message);
const name = /^[a-zA-Z0-9_-]{1,255}$/;

/** Units of CPU to MiB of memory: least, most, step. */
const sizes: Readonly<Record<number, readonly [number, number, number]>> = {
  256: [512, 2048, 512],
  512: [1024, 4096, 1024],
  1024: [2048, 8192, 1024],
  2048: [4096, 16384, 1024],
  4096: [8192, 30720, 1024],
  8192: [16384, 61440, 4096],
  16384: [32768, 122880, 8192],
};

export interface TaskSize {
  readonly cpu: number;
  readonly memory: number;
}

export function checkDefinition(request: RegisterTaskDefinitionRequest): TaskSize {
  const containers = request.containerDefinitions ?? [];
  if (!name.test(request.family ?? "")) throw client("Family contains invalid characters.");
  if (!request.requiresCompatibilities?.includes("FARGATE")) throw client("the fake knows Fargate alone");
  if (request.networkMode !== "awsvpc") throw client("Fargate only supports network mode ‘awsvpc’.");
  if (Buffer.byteLength(JSON.stringify(request)) > 64 * 1024)
    throw client("Actual size of task definition exceeds the maximum of 65536 bytes.");
  if (containers.length === 0 || containers.length > 10)
    throw client("Container list must have between 1 and 10 containers.");
  const size = taskSize(request);
  if (!containers.some(({ essential = true }) => essential))
    throw client("At least one essential container is required");
  if (request.pidMode !== undefined && request.pidMode !== "task") throw client("Fargate supports only pidMode task.");
  if (request.ipcMode !== undefined) throw client("ipcMode is not supported on Fargate.");
  if (request.placementConstraints?.length) throw client("Fargate does not support placement constraints.");
  const { sizeInGiB = 21 } = request.ephemeralStorage ?? {};
  if (sizeInGiB < 21 || sizeInGiB > 200) throw client("Ephemeral storage must be between 21 and 200 GiB.");
  for (const { name: volume, host, dockerVolumeConfiguration: docker } of request.volumes ?? []) {
    if (!name.test(volume ?? "")) throw client("A volume's name contains invalid characters.");
    if (host?.sourcePath !== undefined) throw client("host.sourcePath is not supported on Fargate.");
    if (docker !== undefined) throw client("Docker volumes are not supported on Fargate.");
  }
  const names = new Set(containers.map((container) => container.name));
  if (names.size !== containers.length) throw client("Container.name must be unique.");
  for (const container of containers) checkContainer(container, request, size);
  checkDependencies(containers);
  const sum = (amount: (container: ContainerDefinition) => number): number =>
    containers.reduce((total, each) => total + amount(each), 0);
  if (sum(({ cpu = 0 }) => cpu) > size.cpu) throw client("The sum of the containers' cpu is more than the task's.");
  if (sum(({ memory, memoryReservation }) => memoryReservation ?? memory ?? 0) > size.memory)
    throw client("The sum of the containers' memory is more than the task's.");
  return size;
}

export function taskSize(request: Pick<RegisterTaskDefinitionRequest, "cpu" | "memory">): TaskSize {
  const amount = (text: string | undefined, unit: RegExp, factor: number): number =>
    text !== undefined && unit.test(text) ? Number.parseFloat(text) * factor : Number(text);
  const cpu = amount(request.cpu, / ?vCPU$/i, 1024);
  const memory = amount(request.memory, / ?GB$/i, 1024);
  const [least, most, step] = sizes[cpu] ?? [0, -1, 1];
  if (!(memory >= least && memory <= most && (memory % step === 0 || memory === 512)))
    throw client(
      `No Fargate configuration exists for given values: ${request.cpu} CPU, ${request.memory} memory. See the Amazon ECS documentation for the valid values.`,
    );
  return { cpu, memory };
}

const notOnFargate = [
  ...["disableNetworking", "dnsSearchDomains", "dnsServers", "dockerSecurityOptions", "extraHosts", "links"],
  ...["privileged", "hostname"],
] as const;

function checkContainer(container: ContainerDefinition, request: RegisterTaskDefinitionRequest, size: TaskSize): void {
  const label = container.name ?? "";
  if (!name.test(label)) throw client("Container.name contains invalid characters.");
  if ((container.image ?? "") === "") throw client("Container.image should not be null or empty.");
  for (const key of notOnFargate) {
    const value = container[key];
    if (value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
      throw client(`${key} is not supported on Fargate or with network mode awsvpc (container ${label}).`);
  }
  const range = (field: string, value: number | undefined, least: number, most: number): void => {
    if (value !== undefined && !(value >= least && value <= most))
      throw client(`${label}: ${field} must be between ${least} and ${most}, not ${value}`);
  };
  range("stopTimeout", container.stopTimeout, 0, 120);
  range("startTimeout", container.startTimeout, 2, 120);
  range("memory", container.memory, 4, size.memory);
  range("memoryReservation", container.memoryReservation, 4, container.memory ?? size.memory);
  const health = container.healthCheck;
  range("healthCheck.interval", health?.interval, 5, 300);
  range("healthCheck.timeout", health?.timeout, 2, 60);
  range("healthCheck.retries", health?.retries, 1, 10);
  range("healthCheck.startPeriod", health?.startPeriod, 0, 300);
  if (health !== undefined && !["CMD", "CMD-SHELL", "NONE"].includes(health.command?.[0] ?? ""))
    throw client(`${label}: healthCheck.command must begin with CMD or CMD-SHELL`);
  range("restartPolicy.restartAttemptPeriod", container.restartPolicy?.restartAttemptPeriod, 60, 1800);
  range("restartPolicy.ignoredExitCodes", container.restartPolicy?.ignoredExitCodes?.length, 0, 50);
  for (const { hostPort, containerPort } of container.portMappings ?? [])
    if (hostPort !== undefined && hostPort !== containerPort)
      throw client("When networkMode=awsvpc, the host ports and container ports in port mappings must match.");
  const { add = [] } = container.linuxParameters?.capabilities ?? {};
  if (add.some((each) => each !== "SYS_PTRACE")) throw client("Fargate only supports adding SYS_PTRACE.");
  if (container.linuxParameters?.devices?.length || container.linuxParameters?.tmpfs?.length)
    throw client("devices and tmpfs are not supported on Fargate.");
  const volumes = new Set((request.volumes ?? []).map((volume) => volume.name));
  for (const { sourceVolume } of container.mountPoints ?? [])
    if (!volumes.has(sourceVolume)) throw client(`Unknown volume '${sourceVolume}'.`);
  const variables = [...(container.environment ?? []), ...(container.secrets ?? [])].map((each) => each.name ?? "");
  for (const each of container.secrets ?? [])
    if (variables.indexOf(each.name ?? "") !== variables.lastIndexOf(each.name ?? ""))
      throw client(
        `The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '${each.name}'.`,
      );
  const driver = container.logConfiguration?.logDriver;
  if (driver !== undefined && !["awslogs", "splunk", "awsfirelens"].includes(driver))
    throw client(`Fargate does not support the log driver ${driver}.`);
  if (driver === "awslogs" && !container.logConfiguration?.options?.["awslogs-stream-prefix"])
    throw client("Log driver awslogs requires option 'awslogs-stream-prefix' on Fargate.");
  const needsRole = driver === "awslogs" || (container.secrets ?? []).length > 0 || container.repositoryCredentials;
  if (needsRole && request.executionRoleArn === undefined)
    throw client(
      "Fargate requires task definition to have execution role ARN to support log drivers, secrets and private registries.",
    );
}

function checkDependencies(containers: readonly ContainerDefinition[]): void {
  const byName = new Map(containers.map((container) => [container.name, container]));
  for (const { name: label, dependsOn = [] } of containers)
    for (const { containerName, condition } of dependsOn) {
      const target = byName.get(containerName);
      if (target === undefined || containerName === label)
        throw client(`The dependency '${containerName}' of container '${label}' is not in the task definition.`);
      if (condition === "HEALTHY" && target.healthCheck === undefined)
        throw client(`Container '${containerName}' needs a health check for the condition HEALTHY.`);
      if ((condition === "COMPLETE" || condition === "SUCCESS") && (target.essential ?? true))
        throw client(`The condition ${condition} cannot be set on the essential container '${containerName}'.`);
    }
  const done = new Set<string | undefined>();
  while (done.size < containers.length) {
    const next = containers.filter(
      ({ name: label, dependsOn = [] }) => !done.has(label) && dependsOn.every((each) => done.has(each.containerName)),
    );
    if (next.length === 0) throw client("Container dependencies have a cycle.");
    for (const { name: label } of next) done.add(label);
  }
}
