// Writes docs/configuration.md from the program's schema and flags.
import { writeFileSync } from "node:fs";
import { configDocs } from "../packages/virtual-kubelet/src/program/config-docs.ts";

writeFileSync(new URL("../docs/configuration.md", import.meta.url), configDocs());
