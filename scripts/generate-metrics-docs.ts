// Writes docs/metrics.md from the program's registry and the expositions of its kubelet API, and the table of rights in docs/security.md.
import { readFileSync, writeFileSync } from "node:fs";
import { metricsDocs } from "./metrics-docs.ts";
import { withRights } from "./rights-table.ts";

writeFileSync(new URL("../docs/metrics.md", import.meta.url), await metricsDocs());
const security = new URL("../docs/security.md", import.meta.url);
writeFileSync(security, withRights(readFileSync(security, "utf8")));
// Collecting figures of the process has begun, and would go on.
process.exit();
