// What the provider writes on its containers: all that is needed to find a pod again when nothing else is left. Labels of an
// engine never change, so what does change is kept in the state directory as well.
import type { ContainerRef, ContainerSpec, PodOwner, RuntimeUser, SandboxSpec } from "@virtual-kubelet/virtual-kubelet";

const prefix = "io.virtual-kubelet.containers";

export const labels: Readonly<
  Record<
    | "kind"
    | "cluster"
    | "node"
    | "namespace"
    | "pod"
    | "uid"
    | "container"
    | "attempt"
    | "notes"
    | "revision"
    | "user"
    | "stdinOnce"
    | "helper",
    string
  >
> = {
  /** "sandbox" or "container". */
  kind: `${prefix}.kind`,
  cluster: `${prefix}.cluster`,
  node: `${prefix}.node`,
  namespace: `${prefix}.pod-namespace`,
  pod: `${prefix}.pod-name`,
  uid: `${prefix}.pod-uid`,
  /** Of containers. */
  container: `${prefix}.container-name`,
  attempt: `${prefix}.attempt`,
  /** JSON; as they were when it was made. */
  notes: `${prefix}.notes`,
  /** Of sandboxes: as it was when it was made. */
  revision: `${prefix}.revision`,
  /** Of containers, as whom it begins: JSON, uid, gid, further groups. */
  user: `${prefix}.user`,
  /** Of containers: "true" where its standard input ends with the first who attaches; not every engine tells. */
  stdinOnce: `${prefix}.stdin-once`,
  /** In place of all others, on what is made for a moment: the node. */
  helper: `${prefix}.helper-of`,
};

/** What the labels of one of our containers say. */
export interface Labelled {
  readonly owner: PodOwner;
  readonly notes: Readonly<Record<string, string>>;
  /** Of an infra container. */
  readonly revision: string;
  /** Absent: it is an infra container. */
  readonly run?: ContainerRef | undefined;
  readonly user?: RuntimeUser | undefined;
}

export function sandboxLabels(spec: Pick<SandboxSpec, "owner" | "revision" | "notes">): Record<string, string> {
  return {
    ...ownerLabels(spec.owner),
    [labels.kind]: "sandbox",
    [labels.revision]: spec.revision,
    [labels.notes]: JSON.stringify(spec.notes),
  };
}

export function containerLabels(
  owner: PodOwner,
  spec: Pick<ContainerSpec, "name" | "attempt" | "notes" | "stdinOnce">,
  user?: RuntimeUser,
): Record<string, string> {
  return {
    ...ownerLabels(owner),
    [labels.kind]: "container",
    [labels.container]: spec.name,
    [labels.attempt]: String(spec.attempt),
    ...(spec.stdinOnce && { [labels.stdinOnce]: "true" }),
    ...(user !== undefined && { [labels.user]: JSON.stringify([user.uid, user.gid, ...user.supplementalGroups]) }),
    [labels.notes]: JSON.stringify(spec.notes),
  };
}

/** Undefined: it is none of ours. */
export function readLabels(of: Readonly<Record<string, string>>): Labelled | undefined {
  const text = (key: keyof typeof labels): string => of[labels[key]] ?? "";
  const kind = text("kind");
  const owner = {
    ...{ cluster: text("cluster"), node: text("node"), namespace: text("namespace") },
    ...{ name: text("pod"), uid: text("uid") },
  };
  if ((kind !== "sandbox" && kind !== "container") || owner.uid === "" || owner.node === "") return undefined;
  const attempt = Number(text("attempt"));
  const run =
    kind === "sandbox"
      ? undefined
      : { podUid: owner.uid, name: text("container"), attempt: Number.isSafeInteger(attempt) ? attempt : 0 };
  return { owner, notes: readNotes(text("notes")), revision: text("revision"), run, user: readUser(text("user")) };
}

/** Images bring labels as well, names they do not: a container that is called otherwise is somebody else's, whatever its labels say. */
export function isNamedSo({ owner, run }: Pick<Labelled, "owner" | "run">, name: string): boolean {
  return name === (run === undefined ? infraName(owner) : containerName(owner, run));
}

/** By which the engine finds all of a node, or of one of its pods. */
export function selector(node: string, podUid?: string): readonly string[] {
  return [`${labels.node}=${node}`, ...(podUid === undefined ? [] : [`${labels.uid}=${podUid}`])];
}

/** Of the engine's container: readable, and never of two runs. Container names have no capitals. */
export function infraName(owner: PodOwner): string {
  return `${podPart(owner)}_POD`;
}

export function containerName(owner: PodOwner, { name, attempt }: Pick<ContainerRef, "name" | "attempt">): string {
  return `${podPart(owner)}_${name}_${attempt}`;
}

function podPart({ name, namespace, uid }: PodOwner): string {
  return `vk_${name.slice(0, 128)}_${namespace}_${uid}`;
}

function ownerLabels({ cluster, node, namespace, name, uid }: PodOwner): Record<string, string> {
  return {
    ...{ [labels.cluster]: cluster, [labels.node]: node, [labels.namespace]: namespace },
    ...{ [labels.pod]: name, [labels.uid]: uid },
  };
}

function readUser(text: string): RuntimeUser | undefined {
  const parsed = parsedJson(text);
  if (!Array.isArray(parsed) || !parsed.every((id) => typeof id === "number")) return undefined;
  const [uid, gid, ...supplementalGroups] = parsed;
  return uid === undefined || gid === undefined ? undefined : { uid, gid, supplementalGroups };
}

function readNotes(text: string): Readonly<Record<string, string>> {
  const parsed = parsedJson(text);
  if (typeof parsed !== "object" || parsed === null) return {};
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])),
  );
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
