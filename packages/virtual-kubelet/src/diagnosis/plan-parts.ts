// Containers and volumes of a plan, as they are shown: with what is resolved, and without the values of secrets. Pure.

import { runResources } from "../engine/runtime-specs.ts";
import type { Stored } from "../kube/resource.ts";
import type { Container, EnvVar, Pod, PodSpec, Probe, ResourceRequirements, Volume } from "../kube/types.gen.ts";
import { isSecretKey, redactText } from "../program/redact.ts";
import type { LateText, ResolvedContainer, ResolvedPod } from "../resolved-pod.ts";
import { isSidecar } from "../status/restart-policy.ts";

export interface ContainerPlan {
  readonly name: string;
  readonly role: "init" | "sidecar" | "main";
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly { readonly path: string; readonly volume: string; readonly readOnly: boolean }[];
  readonly probes: readonly string[];
  /** Requests as the scheduler counts them, limits as the backend is told. */
  readonly resources: ResourceRequirements;
}

export interface VolumePlan {
  readonly name: string;
  readonly kind: string;
  readonly detail: string;
  /** Names of its files, where they are known. */
  readonly files?: readonly string[] | undefined;
  /** Why the backend does not take it. */
  readonly refused?: string | undefined;
}

export function containerPlans(pod: Stored<Pod>, resolved: ResolvedPod | undefined): ContainerPlan[] {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const plan = (container: Container, role: ContainerPlan["role"]): ContainerPlan => {
    const known = resolved?.containers.find(({ name }) => name === container.name);
    const image = container.image ?? "";
    const { command, args, resources } = container;
    return {
      ...{ name: container.name, role },
      image: known?.image ?? image,
      imagePullPolicy: known?.imagePullPolicy ?? container.imagePullPolicy ?? pullPolicy(image),
      // As written: expanded they might hold secrets.
      ...(command === undefined ? {} : { command: shownWords(command) }),
      ...(args === undefined ? {} : { args: shownWords(args) }),
      env: known !== undefined && known.missing === undefined ? resolvedEnv(known) : specEnv(container),
      mounts: (container.volumeMounts ?? []).map(({ mountPath, name, readOnly = false, subPath, subPathExpr }) => ({
        ...{ path: mountPath, readOnly },
        volume: [name, subPath ?? subPathExpr].filter((part) => part !== undefined).join("/"),
      })),
      probes: probesOf(container),
      resources: runResources(pod, resources),
    };
  };
  return [
    ...(spec.initContainers ?? []).map((one) => plan(one, isSidecar(one) ? "sidecar" : "init")),
    ...spec.containers.map((one) => plan(one, "main")),
  ];
}

/** The API server's default. */
function pullPolicy(image: string): string {
  const last = image.split("/").at(-1) ?? "";
  return image.includes("@") || (last.includes(":") && !last.endsWith(":latest")) ? "IfNotPresent" : "Always";
}

const hidden = "(hidden)";
const shownValue = (name: string, value: string): string =>
  isSecretKey(name) && value !== "" ? hidden : redactText(value);

/** Without what follows a name of secrets: `--token=...`, `--token ...`, `PASSWORD=...` within a script. */
function shownWords(words: readonly string[]): string[] {
  return words.map((word, index) => {
    const before = /^--?([\w.-]+)$/.exec(words[index - 1] ?? "")?.[1];
    if (before !== undefined && isSecretKey(before)) return hidden;
    return redactText(String(word)).replaceAll(/([\w.-]+)=("[^"]*"|'[^']*'|[^\s"']+)/g, (all: string, name: string) =>
      isSecretKey(name) ? `${name}=${hidden}` : all,
    );
  });
}

function resolvedEnv({ env }: ResolvedContainer): ContainerPlan["env"] {
  return env.map(({ name, value, secret }) => ({
    name,
    value: secret === true ? "(from a secret)" : shownValue(name, lateText(value)),
  }));
}

function lateText(text: LateText): string {
  if (typeof text === "string") return text;
  return text
    .map((part) => {
      if (typeof part === "string") return part;
      if ("fieldPath" in part) return `(${part.fieldPath})`;
      return "fileKey" in part ? `(key ${part.fileKey.key} of ${part.fileKey.volume}/${part.fileKey.path})` : "";
    })
    .join("");
}

function specEnv({ env = [], envFrom = [] }: Container): ContainerPlan["env"] {
  return [
    ...envFrom.map(({ prefix = "", configMapRef, secretRef }) => ({
      name: `${prefix}*`,
      value:
        configMapRef === undefined ? `(all of Secret ${secretRef?.name})` : `(all of ConfigMap ${configMapRef.name})`,
    })),
    ...env.map((one) => ({ name: one.name, value: specValue(one) })),
  ];
}

function specValue({ name, value, valueFrom }: EnvVar): string {
  if (valueFrom === undefined) return shownValue(name, String(value ?? ""));
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef, fileKeyRef } = valueFrom;
  if (configMapKeyRef !== undefined) return `(key ${configMapKeyRef.key} of ConfigMap ${configMapKeyRef.name})`;
  if (secretKeyRef !== undefined) return `(key ${secretKeyRef.key} of Secret ${secretKeyRef.name})`;
  if (fieldRef !== undefined) return `(${fieldRef.fieldPath})`;
  if (resourceFieldRef !== undefined) return `(${resourceFieldRef.resource})`;
  return fileKeyRef === undefined ? "" : `(key ${fileKeyRef.key} of ${fileKeyRef.volumeName}/${fileKeyRef.path})`;
}

function probesOf({ startupProbe, readinessProbe, livenessProbe }: Container): string[] {
  return Object.entries({ startup: startupProbe, readiness: readinessProbe, liveness: livenessProbe }).flatMap(
    ([name, probe]) => (probe === undefined ? [] : [`${name}: ${probeText(probe)}`]),
  );
}

function probeText({ httpGet, tcpSocket, grpc, exec, periodSeconds = 10 }: Probe): string {
  const what =
    (httpGet && `${httpGet.scheme ?? "HTTP"} GET :${httpGet.port}${httpGet.path ?? "/"}`) ??
    (tcpSocket && `TCP :${tcpSocket.port}`) ??
    (grpc && `gRPC :${grpc.port}`) ??
    (exec && `command ${exec.command?.[0] ?? ""}`) ??
    "nothing";
  return `${what} each ${periodSeconds} s`;
}

export function volumePlans(
  spec: PodSpec,
  resolved: ResolvedPod | undefined,
  faults: ReadonlyMap<string, string>,
): VolumePlan[] {
  return (spec.volumes ?? []).map((volume, index) => {
    const kind = Object.keys(volume).find((key) => key !== "name") ?? "emptyDir";
    const known = resolved?.volumes.find(({ name }) => name === volume.name);
    const refused = faults.get(`spec.volumes[${index}].${kind}`);
    return {
      ...{ name: volume.name, kind, detail: volumeDetail(volume) },
      ...(known?.type === "files" ? { files: known.files.map(({ path }) => path) } : {}),
      ...(refused === undefined ? {} : { refused }),
    };
  });
}

function volumeDetail({
  configMap,
  secret,
  hostPath,
  emptyDir,
  persistentVolumeClaim,
  projected,
  csi,
  image,
}: Volume): string {
  if (configMap !== undefined) return configMap.name ?? "";
  if (secret !== undefined) return secret.secretName ?? "";
  if (hostPath !== undefined) return hostPath.path;
  if (emptyDir !== undefined)
    return [emptyDir.medium ?? "", emptyDir.sizeLimit ?? ""].filter((part) => part !== "").join(", ");
  if (persistentVolumeClaim !== undefined) return `claim ${persistentVolumeClaim.claimName}`;
  if (projected !== undefined) return (projected.sources ?? []).flatMap((source) => Object.keys(source)).join(", ");
  return csi?.driver ?? image?.reference ?? "";
}
