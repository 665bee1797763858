// The provider of bench/streams on our side, the same few lines as in opponent/main.go: one log from memory, piece by piece, and two
// commands: "flood N" writes N bytes, "cat" echoes.
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import {
  type ContainerIO,
  type CreateProvider,
  type PodOwner,
  type PodReport,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";

export const logBytes: number = 100 * 2 ** 20;
const pieceBytes = 32 * 1024;

export const createProvider: CreateProvider = () => {
  const log = lines(logBytes);
  const pods = new Map<string, PodReport>();
  const find = ({ uid }: PodOwner): PodReport => {
    const report = pods.get(uid);
    if (report === undefined) throw new VirtualKubeletError("NotFound", `no pod with UID ${uid}`);
    return report;
  };
  return {
    async createPod({ owner, pod, revision }) {
      const state = { running: { startedAt: new Date().toISOString() } };
      const containers = (pod.spec?.containers ?? []).map(({ name }) => ({ name, state }));
      pods.set(owner.uid, { owner, revision, containers });
    },
    async deletePod(owner) {
      pods.delete(find(owner).owner.uid);
    },
    getPodStatus: async (owner) => find(owner),
    getPods: async () => [...pods.values()],
    getContainerLogs: async () => ({ format: "plain", data: pieces(log) }),
    async runInContainer(_target, command, { stdin, stdout }: ContainerIO) {
      if (stdout === undefined) return { exitCode: 1 };
      if (command[0] === "cat") {
        if (stdin !== undefined) await pipeline(stdin, stdout);
        return { exitCode: 0 };
      }
      const piece = Buffer.alloc(pieceBytes);
      for (let left = Number(command.at(-1)); left > 0; left -= pieceBytes)
        if (!stdout.write(piece.subarray(0, left))) await once(stdout, "drain");
      return { exitCode: 0 };
    },
  };
};

async function* pieces(log: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < log.length; at += pieceBytes) yield log.subarray(at, at + pieceBytes);
}

function lines(size: number): Buffer {
  const text = Buffer.alloc(size);
  for (let at = 0, index = 0; at < size; index++)
    at += text.write(`${String(index).padStart(10, "0")} ${"0".repeat(88)}\n`, at, "latin1");
  return text;
}
