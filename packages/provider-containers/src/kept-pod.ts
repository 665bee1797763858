// The file in which a pod's record is kept, with what was made of its volumes. Read back as strictly as it is written.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errorText, type Logger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { readIfThere, type VolumeNote, writeWhole } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { PodRecord } from "./pod-record.ts";

export interface KeptVolumes {
  readonly fsGroup?: number | undefined;
  readonly notes: readonly VolumeNote[];
}

export interface KeptPod {
  readonly record: PodRecord;
  /** Absent: none are made, or they are given back. */
  readonly volumes?: KeptVolumes | undefined;
}

const texts = v.record(v.string(), v.string());
const count = v.pipe(v.number(), v.integer());

const resources = v.object({
  limits: v.exactOptional(texts),
  requests: v.exactOptional(texts),
  claims: v.exactOptional(v.array(v.object({ name: v.string(), request: v.exactOptional(v.string()) }))),
});

const sandbox = {
  hostname: v.string(),
  resolvConf: v.optional(v.string()),
  ...{ hostNetwork: v.boolean(), hostPID: v.boolean(), hostIPC: v.boolean(), shareProcessNamespace: v.boolean() },
  sysctls: texts,
  fsGroup: v.optional(count),
  hostPorts: v.array(
    v.object({ hostIP: v.optional(v.string()), hostPort: count, containerPort: count, protocol: v.string() }),
  ),
  qosClass: v.optional(v.picklist(["Guaranteed", "Burstable", "BestEffort"])),
  resources: v.optional(resources),
  runtimeHandler: v.optional(v.string()),
} satisfies Readonly<Record<keyof NonNullable<PodRecord["sandbox"]>, unknown>>;

const record = {
  owner: v.object({
    ...{ cluster: v.string(), node: v.string(), namespace: v.string(), name: v.string(), uid: v.string() },
  }),
  ...{ revision: v.string(), notes: texts, createdAt: v.number(), infra: v.string(), cgroupParent: v.string() },
  sandbox: v.optional(v.object(sandbox)),
  startFaults: v.record(v.string(), v.object({ at: v.number(), message: v.string() })),
} satisfies Readonly<Record<keyof PodRecord, unknown>>;

const name = v.string();
const memory = v.optional(v.boolean());
const note = v.variant("type", [
  v.object({ name, type: v.literal("files"), memory }),
  v.object({ name, type: v.literal("emptyDir"), sizeLimit: v.optional(v.number()), memory }),
  v.object({ name, type: v.literal("hostPath"), path: v.string() }),
]);

const kept: v.GenericSchema<unknown, KeptPod> = v.object({
  record: v.object(record),
  volumes: v.optional(v.object({ fsGroup: v.optional(count), notes: v.array(note) })),
});

const fileName = "record.json";

export async function writeKept(directory: string, pod: KeptPod): Promise<void> {
  await writeWhole(join(directory, fileName), JSON.stringify(pod));
}

export interface FoundPods {
  readonly pods: ReadonlyMap<string, KeptPod>;
  /** Directories of pods of which nothing is known: their removal was broken off. */
  readonly remains: readonly string[];
}

/** All below a directory. What cannot be read is told of, and left alone. */
export function readAllKept(directory: string, log: Logger): FoundPods {
  const pods = new Map<string, KeptPod>();
  const remains: string[] = [];
  for (const uid of readdirSync(directory)) {
    const text = readIfThere(join(directory, uid, fileName));
    if (text === undefined) {
      remains.push(join(directory, uid));
      continue;
    }
    try {
      pods.set(uid, parseKept(text, uid));
    } catch (error) {
      log.warn({ err: errorText(error), podUid: uid }, "what is kept of a pod cannot be read");
    }
  }
  return { pods, remains };
}

/** Throws Invalid. */
function parseKept(text: string, uid: string): KeptPod {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", "the record is no JSON", { cause });
  }
  const found = v.safeParse(kept, parsed);
  if (!found.success) throw new VirtualKubeletError("Invalid", v.summarize(found.issues));
  if (found.output.record.owner.uid !== uid) throw new VirtualKubeletError("Invalid", "the record is another pod's");
  return found.output;
}
