// What is asked about pods as a whole: their infra containers, volumes and notes. Each call can be broken off anywhere and made
// again.
import {
  type CallContext,
  type ContainerRuntime,
  errorText,
  isErrorKind,
  type ResolvedVolume,
  type RuntimeSandbox,
  type SandboxSpec,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { createNamed } from "./claimed-name.ts";
import { infraLimits } from "./figures/limits.ts";
import type { Found } from "./inventory.ts";
import { infraName } from "./labels.ts";
import { recordOfLabels } from "./lost-record.ts";
import type { NodeState } from "./node-state.ts";
import type { PodRecord } from "./pod-record.ts";
import { sandboxBody, sysctlFault } from "./sandbox-body.ts";

export async function createSandbox(
  state: NodeState,
  spec: SandboxSpec,
  context: CallContext,
): Promise<RuntimeSandbox> {
  const { files, figures, clock, changed } = state.parts;
  const { uid } = spec.owner;
  const present = await state.freshPod(uid, context);
  if (!present.ready) {
    checkSandbox(state, spec);
    const { owner, revision, notes, volumes: _, ...sandbox } = spec;
    const createdAt = present.record?.createdAt ?? present.infra?.details.createdAt ?? clock.now();
    const startFaults = present.record?.startFaults ?? {};
    const record: PodRecord = {
      ...{ owner, revision, notes, sandbox, createdAt, startFaults, infra: "", cgroupParent: "" },
    };
    // First of all: what follows is found again by it, whatever happens.
    await files.writeRecord(uid, record);
    await endRuns(state, present.found, context);
    await files.make(spec);
    const cgroupParent = figures.makePodGroup(spec);
    const infra = await runInfra(state, spec, present.infra, cgroupParent, context);
    // With this it is ready.
    await files.writeRecord(uid, { ...record, cgroupParent: cgroupParent ?? "", infra: infra.details.id });
    changed.tell(uid);
  }
  const sandbox = await state.get(uid, context);
  if (sandbox === undefined) throw new VirtualKubeletError("Unavailable", `pod ${uid} was removed at once`);
  return sandbox;
}

function checkSandbox(state: NodeState, spec: SandboxSpec): void {
  const { config } = state.parts;
  const fault = sysctlFault(Object.keys(spec.sysctls), config.allowedUnsafeSysctls, spec);
  if (fault !== undefined) throw fault;
  if (!config.allowHostNamespaces && (spec.hostNetwork || spec.hostPID || spec.hostIPC))
    throw new VirtualKubeletError("Unsupported", "namespaces of the host are not allowed by this node's configuration");
}

/** Of a sandbox that is to be made anew: its processes are in a network that is gone. */
async function endRuns({ parts }: NodeState, found: readonly Found[], context: CallContext): Promise<void> {
  const running = found.filter(({ run, details }) => run !== undefined && details.running);
  await Promise.all(
    running.map(async ({ details: { id } }) => {
      await parts.client.stopContainer(id, 0, context);
      await parts.inventory.look(id, context);
    }),
  );
}

async function runInfra(
  state: NodeState,
  spec: SandboxSpec,
  present: Found | undefined,
  cgroupParent: string | undefined,
  context: CallContext,
): Promise<Found> {
  const { client, inventory } = state.parts;
  if (present !== undefined) {
    const found = await startInfra(state, present.details.id, context).catch(async (error: unknown) => {
      context.signal.throwIfAborted();
      context.log.warn({ err: errorText(error) }, "an infra container does not start again: it is made anew");
      // Fails where runs are kept that were joined to it.
      await client.removeContainer(present.details.id, context);
      await inventory.look(present.details.id, context);
      return undefined;
    });
    if (found !== undefined) return found;
  }
  const id = await createInfra(state, spec, cgroupParent, context);
  try {
    return await startInfra(state, id, context);
  } catch (error) {
    // The next try is to begin with what the pod asks for then.
    await client.removeContainer(id, context).catch((fault: unknown) => {
      context.log.warn({ err: errorText(fault) }, "an infra container that did not start cannot be removed");
    });
    throw error;
  }
}

async function startInfra(state: NodeState, id: string, context: CallContext): Promise<Found> {
  const { client, inventory } = state.parts;
  await client.startContainer(id, context);
  const found = await inventory.look(id, context);
  if (found?.details.running !== true)
    throw new VirtualKubeletError("Unavailable", `the infra container ended at once, with ${found?.details.exitCode}`);
  return found;
}

async function createInfra(
  state: NodeState,
  spec: SandboxSpec,
  cgroupParent: string | undefined,
  context: CallContext,
): Promise<string> {
  const { client, config, engine, figures, inventory } = state.parts;
  const image = state.infraImage.name;
  const limits = infraLimits(figures.limitHost);
  const body = sandboxBody(spec, { config, engine, image, cgroupParent, limits });
  const create = async (): Promise<string> => {
    let present: Found | undefined;
    const find = async (): Promise<boolean> => {
      present = (await inventory.freshOfPod(spec.owner.uid, context)).find(({ run }) => run === undefined);
      return present !== undefined;
    };
    const made = await createNamed(client, infraName(spec.owner), body, find, context);
    const id = made ?? present?.details.id;
    if (id === undefined)
      throw new VirtualKubeletError("Unavailable", "an infra container is gone as soon as it is seen");
    return id;
  };
  try {
    return await create();
  } catch (error) {
    if (!isErrorKind(error, "NotFound")) throw error;
    await state.infraImage.make(context);
    return create();
  }
}

export async function updateSandbox(
  state: NodeState,
  podUid: string,
  change: Parameters<ContainerRuntime["updateSandbox"]>[1],
  context: CallContext,
): Promise<void> {
  const { files, changed } = state.parts;
  const record = files.record(podUid) ?? (await recordOfLabels(state, podUid, context));
  await files.writeRecord(podUid, {
    ...record,
    revision: change.revision ?? record.revision,
    notes: { ...record.notes, ...change.notes },
  });
  changed.tell(podUid);
}

/** For good: addresses, ports and volumes are given back. Logs stay, and so does the container, for those that are joined to it. */
export async function stopSandbox(state: NodeState, podUid: string, context: CallContext): Promise<void> {
  const { client, files, inventory, changed } = state.parts;
  const { record, found, infra } = await state.freshPod(podUid, context);
  await endRuns(state, found, context);
  if (infra?.details.running === true) {
    await client.stopContainer(infra.details.id, 0, context);
    await inventory.look(infra.details.id, context);
  }
  if (record === undefined || record.infra === "") return;
  await files.removeVolumes(podUid);
  await files.writeRecord(podUid, { ...record, infra: "" });
  changed.tell(podUid);
}

export async function removeSandbox(state: NodeState, podUid: string, context: CallContext): Promise<void> {
  const { client, files, figures, inventory, changed } = state.parts;
  const { record, found } = await state.freshPod(podUid, context);
  if (record !== undefined && record.infra !== "") await files.writeRecord(podUid, { ...record, infra: "" });
  const remove = async ({ details: { id } }: Found): Promise<void> => {
    await client.removeContainer(id, context);
    state.forget(id);
    await inventory.look(id, context);
  };
  // Those that are joined to another one go first.
  const [infras, runs] = [found.filter(({ run }) => run === undefined), found.filter(({ run }) => run !== undefined)];
  const failed: Found[] = [];
  await Promise.all(
    runs.map((each) =>
      remove(each).catch((error: unknown) => {
        if (!isErrorKind(error, "Conflict")) throw error;
        failed.push(each);
      }),
    ),
  );
  for (const each of [...failed, ...infras]) await remove(each);
  figures.removePodGroup(podUid);
  await files.removePod(podUid);
  if (record !== undefined || found.length > 0) changed.tell(podUid);
}

export async function updateVolumes(
  state: NodeState,
  podUid: string,
  volumes: readonly ResolvedVolume[],
  context: CallContext,
): Promise<void> {
  const { record, found, ready } = await state.pod(podUid, context);
  if (record === undefined && found.length === 0)
    throw new VirtualKubeletError("NotFound", `there is no pod ${podUid}`);
  if (record?.sandbox === undefined || !ready) return;
  await state.parts.files.updateVolumes(podUid, volumes);
}
