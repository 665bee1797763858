// The sample: a Deployment and a Job for the nodes of a trial, created, and deleted again, which touches nothing else.
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { deployments, jobs, type KubeObject, type Resource } from "../kube/resource.ts";
import type { Deployment, Job, ObjectMeta, PodSpec, ResourceRequirements } from "../kube/types.gen.ts";

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

export interface SampleOptions {
  readonly provider: string;
  /** Of containers that are no simulation. */
  readonly image: string;
}

/** Prints a line each second, and ends at once when it is told to. */
const webScript = `trap 'echo "told to end"; exit 0' TERM
n=0
while true; do
  echo "$HOSTNAME: $n seconds"
  n=$((n + 1))
  sleep 1 & wait $!
done`;
const jobScript = `echo "$HOSTNAME: at work"; sleep 2; echo "$HOSTNAME: done"`;

export function sampleObjects({ provider, image }: SampleOptions): readonly SampleObject[] {
  const isMock = provider === "mock";
  const spec = (
    name: string,
    script: string,
    requests: NonNullable<ResourceRequirements["requests"]>,
    more: Partial<PodSpec["containers"][number]> = {},
  ): PodSpec => ({
    nodeSelector: { type: "virtual-kubelet" },
    tolerations: [{ key: "virtual-kubelet.io/provider", operator: "Equal", value: provider, effect: "NoSchedule" }],
    // They ask the cluster for nothing, and not every back end has such volumes.
    ...(isMock ? {} : { automountServiceAccountToken: false }),
    containers: [
      isMock
        ? // Containers of the mock are simulated: no image is pulled, and what answers on the port is its own as well.
          { name, image: `example.com/${name}:1`, ...more, resources: { requests } }
        : { name, image, imagePullPolicy: "IfNotPresent", command: ["sh", "-c", script], resources: { requests } },
    ],
  });
  const web: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf("sample-web"),
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "sample-web" } },
      template: {
        metadata: templateMetadata("sample-web"),
        spec: {
          ...spec("web", webScript, { cpu: "10m", memory: "16Mi" }, { ports: [{ name: "http", containerPort: 8080 }] }),
          terminationGracePeriodSeconds: 5,
        },
      },
    },
  };
  // A run lasts two seconds; the first one of each pod fails, so that it is restarted.
  const simulation = { "mock.virtual-kubelet.io/run-time": "2s", "mock.virtual-kubelet.io/fail-times": "1" };
  const job: Job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: metadataOf("sample-job"),
    spec: {
      completions: 4,
      parallelism: 2,
      backoffLimit: 10,
      template: {
        metadata: { ...templateMetadata("sample-job"), ...(isMock ? { annotations: simulation } : {}) },
        spec: { ...spec("work", jobScript, { cpu: "10m", memory: "16Mi" }), restartPolicy: "OnFailure" },
      },
    },
  };
  return [
    { resource: deployments, name: "sample-web", object: web },
    { resource: jobs, name: "sample-job", object: job },
  ];
}

const metadataOf = (name: string): ObjectMeta => ({
  name,
  namespace: sampleNamespace,
  labels: { [sampleLabel.key]: sampleLabel.value },
});
const templateMetadata = (app: string): ObjectMeta => ({ labels: { app, [sampleLabel.key]: sampleLabel.value } });

export interface CreateSampleOptions {
  readonly client: KubeClient;
  readonly sample: readonly SampleObject[];
  /** What is there already is from an earlier trial, and is left as it is. */
  readonly keepExisting: boolean;
  /** Told of each as soon as it is there, so that it can be deleted even when a later one fails. */
  readonly onCreated: (object: CreatedObject) => void;
}

/** Throws Conflict where an object of that name is there already, and is not to be kept. */
export async function createSample(options: CreateSampleOptions, signal: AbortSignal): Promise<void> {
  for (const each of options.sample) {
    const { resource, object, name } = each;
    try {
      const { metadata } = await options.client.create(resource, object, { signal });
      options.onCreated({ ...each, uid: metadata.uid });
    } catch (error) {
      if (!isErrorKind(error, "Conflict")) throw error;
      if (options.keepExisting) continue;
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
