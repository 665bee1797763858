// What is kept of a pod beside its containers, because it changes or because labels cannot hold it. Types only.
import type { PodOwner, SandboxSpec } from "@virtual-kubelet/virtual-kubelet";

/** A start that the OCI runtime refused: it would refuse it again. */
export interface StartFault {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly message: string;
}

export interface PodRecord {
  readonly owner: PodOwner;
  readonly revision: string;
  readonly notes: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Id of the infra container that it is ready with; "": it is not. */
  readonly infra: string;
  readonly cgroupParent: string;
  /** What it was made with; absent where that is lost: then nothing can be made in it. */
  readonly sandbox?: Omit<SandboxSpec, "owner" | "revision" | "notes" | "volumes"> | undefined;
  /** By name/attempt. */
  readonly startFaults: Readonly<Record<string, StartFault>>;
}
