// What the cloud asks of a container group beyond the form of its fields. Pure.
import type { ContainerGroup } from "../wire.ts";
import { FakeRefusal } from "./fake-refusal.ts";

type Refuse = (code: string, message: string) => never;

const name63 = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Throws a FakeRefusal at the first rule that it breaks. */
export function checkGroup(name: string, group: ContainerGroup): void {
  const { containers, initContainers = [], volumes = [], ipAddress, subnetIds, dnsConfig } = group.properties;
  const invalid: Refuse = (code, message) => {
    throw new FakeRefusal(400, code, message);
  };
  if (!name63.test(name)) invalid("InvalidContainerGroupName", `The container group name '${name}' is invalid.`);
  if (group.location === undefined) invalid("LocationRequired", "The location property is required.");
  if (containers.length < 1 || containers.length > 60)
    invalid("InvalidContainerCount", "The number of containers must be between 1 and 60.");
  const names = [...containers, ...initContainers].map((container) => container.name);
  for (const each of names)
    if (!name63.test(each)) invalid("InvalidContainerName", `The container name '${each}' is invalid.`);
  if (new Set(names).size < names.length) invalid("DuplicateContainerName", "Container names must be unique.");
  const known = new Set(volumes.map((volume) => volume.name));
  for (const volume of volumes) {
    const { name: _, ...sources } = volume;
    if (Object.keys(sources).length !== 1)
      invalid("InvalidVolume", `The volume '${volume.name}' must have exactly one source.`);
    for (const [file, data] of Object.entries(volume.secret ?? {})) {
      if (!/^[-._a-zA-Z0-9]+$/.test(file)) invalid("InvalidSecretVolume", `'${file}' is no name of a secret's file.`);
      if (Buffer.from(data, "base64").toString("base64").replaceAll("=", "") !== data.replaceAll("=", ""))
        invalid("InvalidSecretVolume", `The value of '${file}' must be base64.`);
    }
  }
  for (const container of [...containers, ...initContainers]) {
    for (const { name: volume, mountPath } of container.properties.volumeMounts ?? []) {
      if (!known.has(volume)) invalid("VolumeNotFound", `The volume '${volume}' of '${container.name}' is not there.`);
      if (!mountPath.startsWith("/") || mountPath.includes(":"))
        invalid("InvalidVolumeMountPath", `The mount path '${mountPath}' is invalid.`);
    }
    for (const variable of container.properties.environmentVariables ?? []) {
      if (!/^[A-Za-z_][-A-Za-z0-9_.]*$/.test(variable.name))
        invalid("InvalidEnvironmentVariable", `The name '${variable.name}' is invalid.`);
      const given = [variable.value, variable.secureValue, variable.secureValueReference].filter(
        (each) => each !== undefined,
      );
      if (given.length > 1) invalid("InvalidEnvironmentVariable", `'${variable.name}' must have one value.`);
    }
  }
  checkResources(group, invalid);
  const exposed = new Set(containers.flatMap(({ properties }) => (properties.ports ?? []).map((port) => port.port)));
  for (const { port } of ipAddress?.ports ?? [])
    if (!exposed.has(port)) invalid("PortNotExposed", `The port ${port} of the group is exposed by no container.`);
  if (ipAddress?.type === "Public" && subnetIds !== undefined)
    invalid("InvalidIpAddressType", "A group in a subnet has no public address.");
  if (ipAddress?.type === "Private" && subnetIds === undefined)
    invalid("InvalidIpAddressType", "A private address needs a subnet.");
  if (dnsConfig !== undefined && subnetIds === undefined)
    invalid("InvalidDnsConfig", "DNS can be configured for groups in a subnet only.");
}

function checkResources(group: ContainerGroup, invalid: Refuse): void {
  const { containers, priority, zones } = { ...group.properties, zones: group.zones };
  const total = { cpu: 0, memory: 0 };
  for (const { name, properties } of containers) {
    const { image, resources } = properties;
    if (image === undefined || resources === undefined)
      throw new FakeRefusal(400, "InvalidContainer", `The container '${name}' needs an image and resources.`);
    const { cpu, memoryInGB } = resources.requests;
    if (cpu < 0.01 || Math.abs(cpu * 100 - Math.round(cpu * 100)) > 1e-6)
      invalid("InvalidResourceRequest", `The CPU request ${cpu} of '${name}' must be a multiple of 0.01.`);
    if (memoryInGB < 0.1 || Math.abs(memoryInGB * 10 - Math.round(memoryInGB * 10)) > 1e-6)
      invalid("InvalidResourceRequest", `The memory request ${memoryInGB} of '${name}' must be a multiple of 0.1 GB.`);
    total.cpu += cpu;
    total.memory += memoryInGB;
  }
  for (const { name, properties } of containers) {
    const { cpu = 0, memoryInGB = 0 } = properties.resources?.limits ?? {};
    if (cpu > total.cpu + 1e-6 || memoryInGB > total.memory + 1e-6)
      invalid(
        "ContainerLimitGreaterThanContainerGroupTotalRequest",
        `The resource limit of container '${name}' must not be greater than the total requests of the group.`,
      );
  }
  if (priority === "Spot" && zones !== undefined)
    invalid("SpotPriorityNotSupportedWithZones", "Spot groups cannot be in zones.");
}
