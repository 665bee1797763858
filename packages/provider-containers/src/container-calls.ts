// What is asked about single runs: made, started, stopped, removed, each by its id and as often as one likes.
import { readFile } from "node:fs/promises";
import {
  type CallContext,
  type ContainerRef,
  type ContainerSpec,
  type ResourceRequirements,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { createNamed } from "./claimed-name.ts";
import { containerBody } from "./container-body.ts";
import { checkPrivileges, seccompProfile } from "./container-security.ts";
import { containerUser, rootFault } from "./container-user.ts";
import { limitsOf } from "./figures/limits.ts";
import type { Found } from "./inventory.ts";
import { containerName } from "./labels.ts";
import { recordOfLabels } from "./lost-record.ts";
import { isRun, type NodeState } from "./node-state.ts";
import type { PodRecord } from "./pod-record.ts";
import { runKey } from "./pod-view.ts";

export async function createContainer(state: NodeState, spec: ContainerSpec, context: CallContext): Promise<void> {
  const { client, config, engine, figures, files, inventory, changed } = state.parts;
  const { record, found, infra, ready } = await state.pod(spec.podUid, context);
  if (found.some((each) => isRun(each, spec))) return;
  if (infra !== undefined && record?.sandbox === undefined) {
    // What is missing is made when it is made ready again.
    const known = record ?? (await recordOfLabels(state, spec.podUid, context));
    await files.writeRecord(spec.podUid, { ...known, infra: "" });
    changed.tell(spec.podUid);
  }
  if (infra === undefined || record?.sandbox === undefined || !ready)
    throw new VirtualKubeletError("NotFound", `the sandbox of pod ${spec.podUid} is not ready`);
  const { user, seccomp } = await securityOf(state, spec, record, context);
  const targetPidMode = targetOf(spec, found, engine.flavour);
  // It may have been resized since, or the host restarted.
  if (record.cgroupParent !== "")
    figures.makePodGroup({ owner: record.owner, resources: spec.podResources ?? record.sandbox.resources });
  const mounts = await files.mountsOf(spec);
  const body = containerBody(spec, {
    ...{ config, engine, mounts, user, seccomp, targetPidMode },
    ...{ owner: record.owner, sandbox: record.sandbox, infra: infra.details.id },
    cgroupParent: record.cgroupParent === "" ? undefined : record.cgroupParent,
    limits: limitsOf(spec, figures.limitHost),
  });
  // A call before this one may have got through, though nobody was told.
  const find = async (): Promise<boolean> =>
    (await inventory.freshOfPod(spec.podUid, context)).some((each) => isRun(each, spec));
  const id = await createNamed(client, containerName(record.owner, spec), body, find, context);
  if (id === undefined) return;
  state.made(id);
  await inventory.look(id, context);
}

async function securityOf(
  state: NodeState,
  spec: ContainerSpec,
  record: PodRecord,
  context: CallContext,
): Promise<{ readonly user: ReturnType<typeof containerUser>; readonly seccomp: string | undefined }> {
  const { accounts, config, engine, images } = state.parts;
  const { security } = spec;
  checkPrivileges(security, config);
  const image = await images.details(spec.image, context);
  if (image === undefined) throw new VirtualKubeletError("NotFound", `image ${spec.image} is not here`);
  if (image.entrypoint.length === 0 && image.cmd.length === 0 && !spec.command?.length && !spec.args?.length)
    throw new VirtualKubeletError("Unavailable", "no command specified");
  const request = { security, fsGroup: record.sandbox?.fsGroup, imageUser: image.user };
  const fault = rootFault(request, spec.name, record.owner);
  if (fault !== undefined) throw fault;
  const users = await accounts.read(image.id, context);
  const profile = seccompProfile(security, config);
  const seccomp =
    profile === undefined || profile === "unconfined"
      ? profile
      : engine.flavour === "podman"
        ? profile.path
        : await readFile(profile.path, "utf8");
  return { user: containerUser(request, users), seccomp };
}

/** Throws Unavailable while the container whose processes this one is to see does not run. */
function targetOf(
  { targetContainer }: ContainerSpec,
  found: readonly Found[],
  flavour: "docker" | "podman",
): string | undefined {
  if (targetContainer === undefined) return undefined;
  const target = found.find(({ run, details }) => run?.name === targetContainer && details.running);
  if (target === undefined) throw new VirtualKubeletError("Unavailable", `container ${targetContainer} is not running`);
  // Podman keeps a container as long as others are joined to it.
  return flavour === "podman" ? `ns:/proc/${target.details.pid}/ns/pid` : `container:${target.details.id}`;
}

export async function startContainer(state: NodeState, ref: ContainerRef, context: CallContext): Promise<void> {
  const { client, clock, files, inventory, changed } = state.parts;
  const known = await state.run(ref, context);
  const { details } = known;
  const record = files.record(ref.podUid);
  const begun = (found: Found | undefined): boolean =>
    found !== undefined && (found.details.running || found.details.startedAt !== undefined);
  const fault = record?.startFaults[runKey(ref)];
  // The engine would run one that has ended a second time: one that may have begun is looked at.
  const now = state.mayHaveBegun(details.id) ? await inventory.look(details.id, context) : known;
  if (now === undefined) throw new VirtualKubeletError("NotFound", `run ${ref.attempt} of ${ref.name} is gone`);
  if (begun(now) || fault !== undefined) return;
  state.forget(details.id);
  try {
    await client.startContainer(details.id, context);
    await inventory.look(details.id, context);
  } catch (error) {
    const after = await inventory.look(details.id, context);
    if (begun(after)) return;
    // Removed by somebody else: no fault of a run of that number that is made in its place.
    if (after === undefined)
      throw new VirtualKubeletError("NotFound", `run ${ref.attempt} of ${ref.name} is gone`, { cause: error });
    const { httpStatus, message } = VirtualKubeletError.from(error);
    if (httpStatus !== undefined && record !== undefined) {
      const startFaults = { ...record.startFaults, [runKey(ref)]: { at: clock.now(), message } };
      await files.writeRecord(ref.podUid, { ...record, startFaults });
      changed.tell(ref.podUid);
    }
    throw new VirtualKubeletError("Unavailable", message, { reason: "RunContainerError" });
  }
}

export async function stopContainer(
  state: NodeState,
  ref: ContainerRef,
  options: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
  context: CallContext,
): Promise<void> {
  const { client, inventory } = state.parts;
  const found = await state.findRun(ref, context);
  if (found === undefined) return;
  const { id } = found.details;
  const { gracePeriodSeconds, signal: stopSignal } = options;
  await client.stopContainer(id, gracePeriodSeconds, { signal: context.signal, stopSignal });
  await inventory.look(id, context);
}

export async function removeContainer(state: NodeState, ref: ContainerRef, context: CallContext): Promise<void> {
  const { client, files, inventory } = state.parts;
  const found = await state.findRun(ref, context);
  if (found !== undefined) {
    await client.removeContainer(found.details.id, context);
    state.forget(found.details.id);
    await inventory.look(found.details.id, context);
  }
  const record = files.record(ref.podUid);
  if (record === undefined) return;
  await files.removeRun(ref);
  const { [runKey(ref)]: gone, ...startFaults } = record.startFaults;
  if (gone !== undefined) await files.writeRecord(ref.podUid, { ...record, startFaults });
}

export async function updateResources(
  state: NodeState,
  ref: ContainerRef,
  resources: ResourceRequirements,
  pod: ResourceRequirements,
  context: CallContext,
): Promise<void> {
  const { details } = await state.run(ref, context);
  await state.parts.figures.updateResources(ref.podUid, details, resources, pod, context);
}
