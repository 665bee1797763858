// What the service asks of a container group beyond the form of its parameters. Pure.
import type { ConfigFileToPath, Container, CreateContainerGroupRequest, Probe } from "../wire.ts";
import { FakeRefusal, invalid } from "./fake-refusal.ts";
import { roundedSize } from "./fake-sizes.ts";

const groupName = /^(?=.{2,128}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const containerName = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const mostContainers = 20;
const mostVolumes = 20;
const mostTags = 20;
/** Bytes of a file of a volume, and of all of it. */
const mostFile = 32 * 1024;
const mostFiles = 60 * 1024;

/** Throws a FakeRefusal at the first rule that it breaks. The model of the SDK knows of no parameter that has to be there. */
export function checkGroup(group: CreateContainerGroupRequest): void {
  required(group, "ContainerGroupName", "Container");
  if (!groupName.test(group.ContainerGroupName))
    throw invalid("ContainerGroupName", `${group.ContainerGroupName} is not 2 to 128 of a-z, 0-9 and hyphens`);
  const inits = group.InitContainer ?? [];
  const all = [...inits, ...group.Container];
  if (group.Container.length < 1) throw missing("Container.1.Name");
  if (all.length > mostContainers) throw invalid("Container", `${all.length} are more than ${mostContainers}`);
  const volumes = group.Volume ?? [];
  if (volumes.length > mostVolumes) throw invalid("Volume", `${volumes.length} are more than ${mostVolumes}`);
  checkToken(group.ClientToken);
  checkTags(group.Tag ?? []);
  oneOf("RestartPolicy", group.RestartPolicy, ["Always", "OnFailure", "Never"]);
  oneOf("DnsPolicy", group.DnsPolicy, ["Default", "None"]);
  oneOf("SpotStrategy", group.SpotStrategy, ["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"]);
  if (group.SpotStrategy === "SpotWithPriceLimit" && group.SpotPriceLimit === undefined)
    throw missing("SpotPriceLimit");
  const known = new Set(volumes.map(({ Name }) => Name));
  for (const volume of volumes) {
    required(volume, "Name", "Type");
    const { Name, Type, ConfigFileVolume } = volume;
    if (volume[Type] === undefined && Type !== "EmptyDirVolume") throw missing(`Volume.${Name}.${Type}`);
    if (ConfigFileVolume !== undefined) checkFiles(Name, ConfigFileVolume.ConfigFileToPath);
  }
  const names = all.map(({ Name }) => Name);
  if (new Set(names).size < names.length) throw invalid("Container", "two have the same name");
  for (const container of all) checkContainer(container, known);
  roundedSize(group);
}

function checkFiles(volume: string, files: readonly ConfigFileToPath[]): void {
  const where = `Volume.${volume}.ConfigFileVolume.ConfigFileToPath`;
  let sum = 0;
  for (const { Path, Content } of files) {
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(Content))
      throw invalid(where, `the content of ${Path} is not base64`);
    const bytes = Buffer.byteLength(Content, "base64");
    if (bytes > mostFile) throw invalid(where, `${Path} has ${bytes} bytes, more than ${mostFile}`);
    sum += bytes;
  }
  if (sum > mostFiles) throw invalid(where, `its files have ${sum} bytes, more than ${mostFiles}`);
}

function checkContainer(container: Container, volumes: ReadonlySet<string>): void {
  required(container, "Name", "Image");
  const { Name, LivenessProbe, ReadinessProbe, EnvironmentVar = [], VolumeMount = [] } = container;
  if (!containerName.test(Name)) throw invalid("Container.Name", `${Name} is no name of a container`);
  oneOf("ImagePullPolicy", container.ImagePullPolicy, ["Always", "IfNotPresent", "Never"]);
  for (const mount of VolumeMount) {
    required(mount, "Name", "MountPath");
    if (!volumes.has(mount.Name)) throw invalid("Container.VolumeMount", `there is no volume ${mount.Name}`);
  }
  for (const { Key, FieldRef } of EnvironmentVar) {
    if (Key === undefined) throw missing("Container.EnvironmentVar.Key");
    if (FieldRef !== undefined && FieldRef.FieldPath !== "status.podIP")
      throw invalid("Container.EnvironmentVar.FieldRef.FieldPath", "only status.podIP is supported");
  }
  if (LivenessProbe !== undefined) checkProbe("LivenessProbe", LivenessProbe);
  if (ReadinessProbe !== undefined) checkProbe("ReadinessProbe", ReadinessProbe);
  if (LivenessProbe?.SuccessThreshold !== undefined && LivenessProbe.SuccessThreshold !== 1)
    throw invalid("LivenessProbe.SuccessThreshold", "it must be 1");
}

function checkProbe(name: string, { Exec, HttpGet, TcpSocket }: Probe): void {
  const kinds = [Exec, HttpGet, TcpSocket].filter((each) => each !== undefined).length;
  if (kinds !== 1) throw invalid(name, `it has ${kinds} of Exec, HttpGet and TcpSocket, not one`);
}

export function checkTags(tags: readonly { readonly Key?: string; readonly Value?: string }[]): void {
  if (tags.length > mostTags) throw invalid("Tag", `${tags.length} are more than ${mostTags}`);
  for (const { Key = "", Value = "" } of tags) {
    if (Key === "" || Key.length > 128 || /^(aliyun|acs:|https?:\/\/)/.test(Key))
      throw invalid("Tag.Key", `${Key} is no key of a tag`);
    if (Value.length > 128) throw invalid("Tag.Value", `that of ${Key} is longer than 128 characters`);
  }
}

/** At most 64 characters of ASCII. */
export function checkToken(token: string | undefined): void {
  if (token !== undefined && !/^[\x20-\x7e]{1,64}$/.test(token))
    throw invalid("ClientToken", "it must have 1 to 64 characters of ASCII");
}

/** On the wire anything may be missing, whatever the types say. */
function required(of: object, ...names: readonly string[]): void {
  for (const name of names) if (Reflect.get(of, name) === undefined) throw missing(name);
}

export function missing(parameter: string): FakeRefusal {
  return new FakeRefusal(400, "MissingParameter", `The parameter ${parameter} is missing.`);
}

function oneOf(name: string, value: string | undefined, values: readonly string[]): void {
  if (value !== undefined && !values.includes(value)) throw invalid(name, `${value} is none of ${values.join(", ")}`);
}
