#!/usr/bin/env node
// The program's entry as npm links it: exists before a build, so that the link does, and says what is missing.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  console.error(`virtual-kubelet needs Node.js 24.11 or later; this is ${process.version}.`);
  process.exit(1);
}
try {
  await import("../dist/main.js");
} catch (error) {
  if (error?.code !== "ERR_MODULE_NOT_FOUND" || !String(error.url ?? "").endsWith("/dist/main.js")) throw error;
  console.error("virtual-kubelet is not built yet: run `npm ci && npm run build` first.");
  process.exit(1);
}
