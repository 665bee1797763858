// A whole provider: keeps its pods in a Map, runs nothing, and says that they run.
import {
  type CreateProvider,
  type PodOwner,
  type PodReport,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";

export const createProvider: CreateProvider = () => {
  const pods = new Map<string, PodReport>();
  const find = ({ uid }: PodOwner): PodReport => {
    const report = pods.get(uid);
    if (report === undefined) throw new VirtualKubeletError("NotFound", `no pod with UID ${uid}`);
    return report;
  };
  return {
    async createPod({ owner, pod, revision }, { signal }) {
      signal.throwIfAborted();
      if (pods.has(owner.uid)) return;
      const state = { running: { startedAt: new Date().toISOString() } };
      const containers = (pod.spec?.containers ?? []).map(({ name }) => ({ name, state }));
      pods.set(owner.uid, { owner, revision, containers });
    },
    async deletePod(owner, _options, { signal }) {
      signal.throwIfAborted();
      pods.delete(find(owner).owner.uid);
    },
    async getPodStatus(owner, { signal }) {
      signal.throwIfAborted();
      return find(owner);
    },
    async getPods({ signal }) {
      signal.throwIfAborted();
      return [...pods.values()];
    },
    async getContainerLogs({ owner }, { previous = false }) {
      if (previous) throw new VirtualKubeletError("NotFound", "nothing here runs twice");
      const text = `${find(owner).owner.name} says hello\n`;
      return { format: "plain", data: new Blob([text]).stream() };
    },
  };
};
