// Pods of the golden files as the core would hand them over, with what they refer to made up.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod, PodRequest, ResolvedContainer, ResolvedVolume, Stored } from "@virtual-kubelet/virtual-kubelet";
import { parseQuantity, wholeUnits } from "@virtual-kubelet/virtual-kubelet";
import { parseAllDocuments } from "yaml";

export interface GoldenPod {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec: NonNullable<Pod["spec"]>;
}

/** Those of testdata/pods.yaml. */
export async function goldenPods(): Promise<readonly GoldenPod[]> {
  const text = await readFile(join(import.meta.dirname, "../testdata/pods.yaml"), "utf8");
  return parseAllDocuments(text).map((document) => {
    const value: unknown = document.toJS();
    if (!isGoldenPod(value)) throw new TypeError("no pod of the golden files");
    return value;
  });
}

function isGoldenPod(value: unknown): value is GoldenPod {
  return typeof value === "object" && value !== null && "name" in value && "spec" in value;
}

const uid = "0b6c9d4e-7a51-4f0c-9d53-2f8e1a6b7c80";

export function goldenRequest({ name, annotations, spec }: GoldenPod): PodRequest {
  const owner = { cluster: "c1", node: "nomad", namespace: "team", name, uid };
  const metadata = { name, namespace: "team", uid, resourceVersion: "1", ...(annotations && { annotations }) };
  const pod: Stored<Pod> = { metadata: metadata, spec: spec };
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return {
    ...{ owner, pod, revision: "r1" },
    resolved: {
      hostname: name,
      setHostnameAsFQDN: false,
      containers: all.map((container) => resolvedContainer(container, name)),
      volumes: (spec.volumes ?? []).map(resolvedVolume),
      ...(spec.dnsConfig === undefined
        ? {}
        : { resolvConf: "nameserver 10.0.0.10\nsearch team.svc.cluster.local\noptions ndots:5\n" }),
      imageCredentials:
        spec.imagePullSecrets === undefined
          ? []
          : [{ registry: "registry.test/team", username: "puller", password: "hunter2" }],
    },
  };
}

function resolvedContainer(
  container: NonNullable<Pod["spec"]>["containers"][number],
  podName: string,
): ResolvedContainer {
  const { name, image = "", command, args, env = [], volumeMounts = [] } = container;
  return {
    ...{ name, image, imagePullPolicy: "IfNotPresent" },
    ...(command && { command }),
    ...(args && { args }),
    env: env.map(({ name: variable, value, valueFrom }) => {
      const path = valueFrom?.fieldRef?.fieldPath;
      if (valueFrom?.secretKeyRef !== undefined)
        return { name: variable, value: valueFrom.secretKeyRef.key === "empty" ? "" : "swordfish", secret: true };
      if (path === "metadata.name") return { name: variable, value: podName };
      if (path === "metadata.uid") return { name: variable, value: uid };
      if (path === "status.podIP" || path === "status.hostIP") return { name: variable, value: [{ fieldPath: path }] };
      return { name: variable, value: value ?? "" };
    }),
    mounts: volumeMounts.map(({ name: volume, mountPath, subPath, readOnly = false }) => ({
      ...{ volume, mountPath, readOnly },
      ...(subPath === undefined ? {} : { subPath }),
    })),
  };
}

function resolvedVolume(volume: NonNullable<NonNullable<Pod["spec"]>["volumes"]>[number]): ResolvedVolume {
  const { name, emptyDir, configMap, secret, projected } = volume;
  const text = (path: string, content: string, isSecret: boolean) => ({
    ...{ path, mode: isSecret ? 0o400 : 0o644, secret: isSecret, data: new TextEncoder().encode(content) },
  });
  if (volume.hostPath !== undefined) return { name, type: "hostPath", path: volume.hostPath.path, hostPathType: "" };
  if (emptyDir !== undefined) {
    const { medium = "", sizeLimit } = emptyDir;
    const bytes = sizeLimit === undefined ? undefined : Number(wholeUnits(parseQuantity(sizeLimit)));
    return { ...{ name, type: "emptyDir", medium }, sizeLimit: bytes };
  }
  if (configMap !== undefined)
    return { ...{ name, type: "files", memory: false }, files: [text("app.conf", "debug = {{ no }}\n", false)] };
  if (secret !== undefined || projected !== undefined)
    return { ...{ name, type: "files", memory: true }, files: [text("token", "opensesame", true)] };
  return { name, type: "backend" };
}
