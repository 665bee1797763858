// Routes that a kubelet has and a virtual one answers in a kubelet's words for "not here".
import { sendText } from "./answers.ts";
import { containerSpec, podTarget } from "./container-target.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

/** A virtual node has no log directory: the answer of a kubelet whose `enableSystemLogHandler` is false. */
export const serveNodeLogs: KubeletHandler = async ({ response }) => {
  sendText(response, 405, "logs endpoint is disabled.\n");
};

/** No provider takes checkpoints: the answer of a kubelet whose runtime takes none. */
export const serveCheckpoint: KubeletHandler = async ({ node, params, response }) => {
  const { container = "" } = params;
  const pod = podTarget(node, params);
  const { name, namespace } = pod.metadata;
  if (containerSpec(pod, container) === undefined)
    return sendText(response, 404, `container ${container} not found in pod ${name}\n`);
  sendText(response, 500, `checkpointing of ${namespace}/${name}/${container} failed: not supported\n`);
};
