#!/usr/bin/env node
// The program's entry as npm links it: exists before a build, so that the link does; in a clone that is not built it runs the
// sources, and says of a build that is older than they are that it is.
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  // Of a clone, or of an installation with the package `node`: npx finds it, a shell does not.
  const bin = ["../../../node_modules/.bin/", "../../../.bin/"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(`${path}node`));
  const where =
    bin === undefined
      ? "Install it from https://nodejs.org, or have it found first in PATH."
      : `There is one in ${bin}: start this by npx, or with PATH=${bin}:$PATH`;
  console.error(`virtual-kubelet needs Node.js 24.11 or later; this is ${process.version}. ${where}`);
  process.exit(1);
}
const built = new URL("../dist/main.js", import.meta.url);
const source = new URL("../src/main.ts", import.meta.url);
if (existsSync(built)) {
  if (existsSync(source) && isOutdated(new URL("../", import.meta.url)))
    console.error("virtual-kubelet: this build is older than its sources; build it again: npm run build");
  await import(built.href);
} else if (existsSync(source)) await import(source.href);
else {
  console.error("virtual-kubelet is not complete: its dist/main.js is missing. Install the package again.");
  process.exit(1);
}

/**
 * Whether a source of the package is newer than its last build. A few milliseconds.
 * @param {URL} directory
 */
function isOutdated(directory) {
  const buildTime = statSync(new URL("dist/.tsbuildinfo", directory), { throwIfNoEntry: false })?.mtimeMs;
  return buildTime !== undefined && hasNewer(fileURLToPath(new URL("src/", directory)), buildTime);
}

/**
 * @param {string} directory
 * @param {number} time
 * @returns {boolean}
 */
function hasNewer(directory, time) {
  return readdirSync(directory, { withFileTypes: true }).some((entry) => {
    const path = `${directory}${entry.name}`;
    if (entry.isDirectory()) return hasNewer(`${path}/`, time);
    return entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts") && statSync(path).mtimeMs > time;
  });
}
