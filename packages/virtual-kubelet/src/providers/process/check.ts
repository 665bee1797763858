// What the process provider needs of its host, looked at before it is started: for `virtual-kubelet doctor`. Nothing is made.
import { statSync } from "node:fs";
import { join } from "node:path";
import { findCgroups } from "../../host/cgroups.ts";
import { roomCheck, stateDirectoryCheck } from "../../host/provider-checks.ts";
import type { ProviderCheck } from "../../provider/check.ts";
import type { ProcessConfig } from "./config.ts";

export function processChecks(node: string, config: ProcessConfig): readonly ProviderCheck[] {
  return [
    stateDirectoryCheck(join(config.stateDirectory, node)),
    cgroupsCheck(config.cgroups, findCgroups() !== undefined),
    imagesCheck(config.images),
    roomCheck(config.stateDirectory, config),
  ];
}

/** Pure. */
export function cgroupsCheck(wanted: ProcessConfig["cgroups"], there: boolean): ProviderCheck {
  const name = "control groups";
  if (wanted === "off")
    return {
      name,
      status: "ok",
      message: "switched off: limits of pods are not enforced, figures have no memory or cpu",
    };
  if (there) return { name, status: "ok", message: "can be made here" };
  const fix = 'run as root on a host with its control groups mounted for writing, or say "cgroups: off"';
  const message = "none can be made here: limits of pods are not enforced";
  return { name, status: wanted === "required" ? "fail" : "warn", message, fix };
}

function imagesCheck(images: ProcessConfig["images"]): ProviderCheck {
  const name = "images";
  const roots = Object.entries(images).flatMap(([image, what]) =>
    what === "host" || what.root === undefined ? [] : [{ image, root: what.root }],
  );
  const missing = roots.filter(({ root }) => statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true);
  if (missing.length > 0) {
    const told = missing.map(({ image, root }) => `${image} (${root})`).join(", ");
    const fix = "make these directories, or correct images in the provider's configuration";
    return { name, status: "fail", message: `roots that are not there: ${told}`, fix };
  }
  const count = Object.keys(images).length;
  if (count > 0) return { name, status: "ok", message: `${count} named, and there` };
  const fix = "name them under images in the provider's configuration: docs/process.md";
  return { name, status: "warn", message: "none is named: every pod would wait with ErrImagePull", fix };
}
