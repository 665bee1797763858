// Whose a variable of Nomad is: it has nothing but its items, so one of them tells. Pure.
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { NomadVariable } from "./wire.ts";

export type VariableOwner = Pick<PodOwner, "cluster" | "node">;

/** Beside names of tasks and keys of files. */
const key = "_owner";

/** Base64, as all items are. */
export function ownerItem({ cluster, node }: VariableOwner): Readonly<Record<string, string>> {
  return { [key]: Buffer.from(JSON.stringify([cluster, node])).toString("base64") };
}

export function isOwnedBy({ Items }: Pick<NomadVariable, "Items">, owner: VariableOwner): boolean {
  return Items[key] === ownerItem(owner)[key];
}
