// Writes what of deploy/ follows from something else: the chart's rights and values schema, deploy/rbac.yaml, and the plain manifests.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generatedFiles } from "./manifests/generated-files.ts";

const root = join(import.meta.dirname, "..");
for (const { file, make } of generatedFiles(root)) {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), await make());
  console.log(file);
}
