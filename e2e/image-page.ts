// What docs/image.md says of the sizes of images.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** `variant`: "core", or the name of a provider. Fails if the page is more than 5 MB beside the truth. */
export function isAsTold(bytes: number, variant: string): void {
  const page = readFileSync(join(import.meta.dirname, "../docs/image.md"), "utf8");
  const row =
    variant === "core"
      ? /^localhost\/virtual-kubelet:\S+: (\S+) MB$/m
      : new RegExp(`^\\| \`${variant}\` \\| (\\S+) MB`, "m");
  const told = Number(row.exec(page)?.[1]);
  const megabytes = bytes / 1e6;
  const fault = `docs/image.md says ${told} MB of ${variant}, it is ${megabytes.toFixed(1)} MB`;
  assert.ok(Math.abs(told - megabytes) < 5, fault);
}
