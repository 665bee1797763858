// From what the engine shows and what is written down to what the pod engine is told of a pod and its runs. Pure.
import type { RuntimeContainer, RuntimeSandbox } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerDetails } from "./engine/engine-client.ts";
import type { Found } from "./inventory.ts";
import type { PodRecord, StartFault } from "./pod-record.ts";

export interface ViewFacts {
  readonly record: PodRecord | undefined;
  readonly found: readonly Found[];
  /** Addresses of pods in the host's network. */
  readonly hostIPs: readonly string[];
  /** Digest reference of an image by its id; the id itself where there is none. */
  readonly reference: (details: ContainerDetails) => string;
  /** What the host knows of an end beside its code. */
  readonly endReason: (details: ContainerDetails) => string | undefined;
}

/** Undefined: there is nothing of the pod. */
export function sandboxView(facts: ViewFacts): RuntimeSandbox | undefined {
  const { record, found, hostIPs } = facts;
  const infra = infraOf(found);
  const owner = record?.owner ?? infra?.owner ?? found[0]?.owner;
  if (owner === undefined) return undefined;
  const ready = isReady(record, infra);
  const addresses = infra?.details.addresses ?? [];
  return {
    owner,
    revision: record?.revision ?? infra?.revision ?? "",
    ready,
    createdAt: record?.createdAt ?? Math.min(...found.map(({ details }) => details.createdAt)),
    ips: !ready ? [] : record?.sandbox?.hostNetwork === true || addresses.length === 0 ? hostIPs : addresses,
    notes: record?.notes ?? infra?.notes ?? {},
    containers: found
      .flatMap((each) => runView(each, facts))
      .sort((a, b) => a.createdAt - b.createdAt || a.attempt - b.attempt),
  };
}

/** The one that runs, where for some reason there are several. */
export function infraOf(found: readonly Found[]): Found | undefined {
  const all = found.filter(({ run }) => run === undefined);
  return all.find(({ details }) => details.running) ?? all[0];
}

/** Without a record (the state directory was lost) it is ready as long as nothing of it has to be made. */
export function isReady(record: PodRecord | undefined, infra: Found | undefined): boolean {
  return infra?.details.running === true && (record === undefined || record.infra === infra.details.id);
}

function runView(found: Found, facts: ViewFacts): readonly RuntimeContainer[] {
  const { details, run, notes, user } = found;
  if (run === undefined) return [];
  return [
    {
      ...run,
      id: details.id,
      image: details.image,
      imageID: facts.reference(details),
      createdAt: details.createdAt,
      notes,
      ...(user !== undefined && { user }),
      ...stateOf(details, facts.record?.startFaults[runKey(run)], facts.endReason),
    },
  ];
}

type State = Pick<RuntimeContainer, "state" | "startedAt" | "finishedAt" | "exitCode" | "reason" | "message">;

/** As a CRI runtime says it: it never ran, and never will. */
const startFaultCode = 128;
/** It is not known any more how it ended. */
const lostCode = 255;

function stateOf(details: ContainerDetails, fault: StartFault | undefined, endReason: ViewFacts["endReason"]): State {
  const { startedAt, finishedAt, running } = details;
  if (running) return { state: "running", startedAt };
  if (startedAt === undefined) {
    const said = fault ?? (details.error === "" ? undefined : { at: details.createdAt, message: details.error });
    if (said === undefined) return { state: "created" };
    return {
      ...{ state: "exited", startedAt: 0, finishedAt: said.at, exitCode: startFaultCode },
      ...{ reason: "StartError", message: said.message },
    };
  }
  // After the host went down Podman takes those that ran for new ones.
  if (finishedAt === undefined && ["created", "configured", "initialized"].includes(details.state))
    return { state: "exited", startedAt, finishedAt: startedAt, exitCode: lostCode, reason: "Unknown" };
  const reason = endReason(details);
  return {
    // The two are of different clocks: that of files is some milliseconds late.
    ...{ state: "exited", startedAt, finishedAt: Math.max(startedAt, finishedAt ?? 0), exitCode: details.exitCode },
    ...(reason !== undefined && { reason }),
  };
}

export function runKey({ name, attempt }: { readonly name: string; readonly attempt: number }): string {
  return `${name}/${attempt}`;
}
