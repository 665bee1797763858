#!/usr/bin/env node
// The program's entry as npm links it: exists before a build, so that the link does; in a clone that is not built it runs the sources.
import { existsSync } from "node:fs";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  console.error(`virtual-kubelet needs Node.js 24.11 or later; this is ${process.version}.`);
  process.exit(1);
}
const built = new URL("../dist/main.js", import.meta.url);
const source = new URL("../src/main.ts", import.meta.url);
if (existsSync(built)) await import(built.href);
else if (existsSync(source)) await import(source.href);
else {
  console.error("virtual-kubelet is not complete: its dist/main.js is missing. Install the package again.");
  process.exit(1);
}
