// The files of deploy/ that are made and not written, in the order in which one needs the other.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { accountRights, chartAccess } from "./access-data.ts";
import { renderedManifests } from "./rendered-manifests.ts";
import { valuesSchema } from "./values-schema.ts";

export interface GeneratedFile {
  /** From the root of the project. */
  readonly file: string;
  readonly make: () => Promise<string> | string;
  /** Made by Helm of the files before it. */
  readonly rendered?: true;
}

export function generatedFiles(root: string): readonly GeneratedFile[] {
  return [
    { file: "deploy/rbac.yaml", make: accountRights },
    { file: "deploy/chart/files/access.yaml", make: () => chartAccess(root) },
    // A chart has no files from outside of it.
    {
      file: "deploy/chart/files/alerts.yaml",
      make: () => readFile(join(root, "deploy/monitoring/alerts.yaml"), "utf8"),
    },
    { file: "deploy/chart/values.schema.json", make: () => `${JSON.stringify(valuesSchema(), undefined, 2)}\n` },
    { file: "deploy/manifests/virtual-kubelet.yaml", rendered: true, make: () => renderedManifests(root) },
  ];
}
