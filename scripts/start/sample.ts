// The sample: read from YAML files, created, and deleted again, which touches nothing that was not created here.
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";
import { isErrorKind, VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { KubeClient } from "../../packages/virtual-kubelet/src/kube/client.ts";
import { deployments, jobs, type KubeObject, type Resource } from "../../packages/virtual-kubelet/src/kube/resource.ts";
import { isObject } from "../../packages/virtual-kubelet/src/kube/stored.ts";

/** Objects and pods of the sample carry it; they are found by it. */
export const sampleLabel = { key: "app.kubernetes.io/part-of", value: "virtual-kubelet-sample" } as const;
export const sampleSelector: string = `${sampleLabel.key}=${sampleLabel.value}`;
export const sampleNamespace = "default";

export interface SampleObject {
  readonly resource: Resource<KubeObject>;
  readonly name: string;
  readonly object: KubeObject;
}

export interface CreatedObject extends SampleObject {
  readonly uid: string;
}

const known: readonly Resource<KubeObject>[] = [deployments, jobs];

/** Reads each `*.yaml` of a directory. Throws Invalid with all that is wrong. */
export async function readSample(directory: string): Promise<readonly SampleObject[]> {
  const sample: SampleObject[] = [];
  const faults: string[] = [];
  for (const file of globSync("*.yaml", { cwd: directory }).sort()) {
    const path = join(directory, file);
    for (const document of parseAllDocuments(await readFile(path, "utf8"))) {
      const shown = relative(process.cwd(), path);
      const [syntax] = document.errors;
      const found = syntax === undefined ? sampleObject(document.toJS()) : syntax.message;
      if (typeof found === "string") faults.push(`${shown}: ${found}`);
      else sample.push(found);
    }
  }
  if (faults.length > 0) throw new VirtualKubeletError("Invalid", faults.join("; "));
  if (sample.length === 0) throw new VirtualKubeletError("Invalid", `${directory} holds no YAML files`);
  return sample;
}

/** The object, or what is wrong with it. */
function sampleObject(value: unknown): SampleObject | string {
  if (!isObject(value) || !isObject(value["metadata"])) return "is no Kubernetes object";
  const { apiVersion, kind, metadata } = value;
  const resource = known.find((each) => each.kind === kind && `${each.group}/${each.version}` === apiVersion);
  if (resource === undefined)
    return `${String(apiVersion)} ${String(kind)} is not shown here; ${known.map((each) => each.kind).join(" and ")} are`;
  const { name, labels, namespace } = metadata;
  if (typeof name !== "string" || name === "") return "metadata.name is missing";
  if (namespace !== undefined && namespace !== sampleNamespace)
    return `metadata.namespace must be ${sampleNamespace} or absent`;
  if (!isObject(labels) || labels[sampleLabel.key] !== sampleLabel.value)
    return `metadata.labels must have ${sampleLabel.key}: ${sampleLabel.value}`;
  return { resource, name, object: { ...value, metadata: { ...metadata, name } } };
}

/** Tells `onCreated` of each as soon as it is there, so that it can be deleted even when a later one fails. */
export async function createSample(
  client: KubeClient,
  sample: readonly SampleObject[],
  onCreated: (object: CreatedObject) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const each of sample) {
    const { resource, object, name } = each;
    const namespaced = { ...object, metadata: { ...object.metadata, namespace: sampleNamespace } };
    try {
      const { metadata } = await client.create(resource, namespaced, { signal });
      onCreated({ ...each, uid: metadata.uid });
    } catch (error) {
      if (!isErrorKind(error, "Conflict")) throw error;
      const command = `kubectl delete -n ${sampleNamespace} ${resource.kind.toLowerCase()} ${name}`;
      throw new VirtualKubeletError(
        "Conflict",
        `${resource.kind} ${name} is there already; not touched. \`${command}\` deletes it.`,
      );
    }
  }
}

/** Deletes what was created, with the pods of it; what was deleted or replaced meanwhile is left as it is. */
export async function deleteSample(client: KubeClient, created: readonly CreatedObject[]): Promise<void> {
  const outcomes = await Promise.allSettled(
    created.map(async ({ resource, name, uid }) => {
      try {
        await client.delete(resource, { name, namespace: sampleNamespace }, { uid, propagationPolicy: "Background" });
      } catch (error) {
        if (!isErrorKind(error, "NotFound", "Conflict")) throw error;
      }
    }),
  );
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
