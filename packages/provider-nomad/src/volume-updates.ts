// What files hold from now on, in the variable that running tasks read them from. Pure.
import type { ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { fileKey, VariableItems } from "./files.ts";

type Items = Readonly<Record<string, string>>;

/** `items` absent: nothing changes. `missing`: files that no task has a template for, or that do not fit. */
export function updatedItems(
  items: Items,
  volumes: readonly ResolvedVolume[],
): { readonly items?: Items; readonly missing: readonly string[] } {
  const next = new VariableItems("");
  for (const [key, value] of Object.entries(items)) next.add(key, Buffer.from(value, "base64"));
  const missing: string[] = [];
  for (const volume of volumes) {
    if (volume.type !== "files") continue;
    for (const { path, data } of volume.files) {
      const key = fileKey(volume.name, path);
      if (!Object.hasOwn(items, key) || !next.add(key, data)) missing.push(`${volume.name}/${path}`);
    }
  }
  const made = next.variable()?.Items ?? {};
  const isSame = Object.entries(made).every(([key, value]) => items[key] === value);
  return isSame ? { missing } : { items: made, missing };
}
