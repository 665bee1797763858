// /pods and /runningpods/: the pods bound to the node as the API has them, and those that the backend runs.
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";
import { sendJson } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

export const servePods: KubeletHandler = async ({ node, response }) => {
  sendJson(response, podList(node.pods().map((pod) => asSeen(pod, node.costOf?.(pod)))));
};

export const serveRunningPods: KubeletHandler = async ({ node, response, signal, log }) => {
  const reports = await node.provider.getPods({ signal, log });
  const ours = reports.filter(({ owner }) => owner.node === node.name);
  sendJson(response, podList(ours.map(asRuntimePod).filter(({ spec }) => (spec?.containers ?? []).length > 0)));
};

function podList(items: readonly Pod[]): object {
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items };
}

/** Annotation of pods in a node's own list of them, and never of the API's objects: JSON. */
export const costAnnotation = "virtual-kubelet.io/estimated-cost";

/** As in a list, and with what a kubelet adds: where it has the pod from, and since when it knows it; and what it costs. */
function asSeen({ kind: _kind, apiVersion: _version, ...pod }: Stored<Pod>, cost: object | undefined): Pod {
  const { annotations, creationTimestamp } = pod.metadata;
  const seen = pod.status?.startTime ?? creationTimestamp;
  const added = {
    ...(seen !== undefined && { "kubernetes.io/config.seen": seen }),
    "kubernetes.io/config.source": "api",
    ...(cost !== undefined && { [costAnnotation]: JSON.stringify(cost) }),
  };
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...annotations, ...added } } };
}

/** Names, images and the uid alone: nothing that was resolved for the backend, like environments and secrets. */
function asRuntimePod({ owner, containers }: PodReport): Pod {
  const { namespace, name, uid } = owner;
  return {
    metadata: { name, namespace, uid },
    spec: {
      containers: containers
        .filter(({ state }) => state.running !== undefined)
        .map((container) => ({
          name: container.name,
          ...(container.image !== undefined && { image: container.image }),
          resources: {},
        })),
    },
    status: {},
  };
}
