// Writes docs/metrics.md from the program's registry and the expositions of its kubelet API.
import { writeFileSync } from "node:fs";
import { metricsDocs } from "./metrics-docs.ts";

writeFileSync(new URL("../docs/metrics.md", import.meta.url), await metricsDocs());
// Collecting figures of the process has begun, and would go on.
process.exit();
