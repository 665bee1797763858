// Runs scripts/<command>.ts on the pinned Node, whatever Node npm itself runs on: installs the locked packages first where
// they are missing or outdated. Plain JavaScript for Node 18 and newer, since it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scripts = { start: "start.ts", test: "run-tests.ts", cluster: "cluster.ts", conformance: "conformance.ts" };

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** @param {string} path @returns {Record<string, Record<string, unknown>>} what a lock file says of each folder */
function lockedPackages(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8")).packages;
}

/** Does node_modules hold what package-lock.json asks for? npm leaves a copy of what it installed in it. */
function isInstalled() {
  if (!existsSync(join(root, "node_modules/.package-lock.json"))) return false;
  const installed = lockedPackages("node_modules/.package-lock.json");
  return Object.entries(lockedPackages("package-lock.json")).every(([folder, wanted]) => {
    const found = installed[folder];
    if (folder === "") return true;
    // Packages for other platforms are left out.
    if (found === undefined) return wanted.optional === true;
    return ["version", "integrity", "link"].every((field) => found[field] === wanted[field]);
  });
}

function install() {
  console.error("Installing the packages of package-lock.json (npm ci); this takes up to a minute.");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const viaNode = npm?.endsWith(".js") === true;
  const { status, error } = spawnSync(viaNode ? process.execPath : "npm", viaNode ? [npm, ...args] : args, {
    cwd: root,
    // Its report to standard error: standard output belongs to the command.
    stdio: ["ignore", 2, 2],
    shell: !viaNode && process.platform === "win32",
  });
  if (status !== 0) fail(`npm ci failed${error === undefined ? "" : `: ${error.message}`}.`);
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 11);
}

/** The Node that package-lock.json pins; the one running now where that is missing or does not run, as on musl. */
function findNode() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  const file = process.platform === "win32" ? "bin/node.exe" : "bin/node";
  const pinned = join(root, "node_modules", `node-${platform}-${process.arch}`, file);
  if (existsSync(pinned)) {
    const { status, stdout } = spawnSync(pinned, ["--version"], { encoding: "utf8" });
    if (status === 0 && isNewEnough(stdout)) return pinned;
  }
  if (isNewEnough(process.version)) return process.execPath;
  return fail(
    `This needs Node 24.11 or newer. Here it runs on ${process.version}, and there is no packaged Node for ` +
      `${process.platform} ${process.arch} in node_modules. Install Node 24 from https://nodejs.org and try again.`,
  );
}

const [command = "", ...args] = process.argv.slice(2);
if (!Object.hasOwn(scripts, command))
  fail(`usage: node scripts/bootstrap.js ${Object.keys(scripts).join("|")} [options]`);
if (!isInstalled()) install();
const node = findNode();
const path = [join(root, "node_modules", ".bin"), dirname(node), process.env.PATH ?? ""].join(delimiter);
const child = spawn(node, ["--conditions=source", join(root, "scripts", scripts[command]), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: path },
});
// A terminal sends Ctrl-C to the child itself; a second one would read as "at once".
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// npm passes SIGTERM on to its shell, which ends without telling us: then we are somebody else's child.
if (process.env.npm_lifecycle_event !== undefined) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 500);
}
child.once("error", (error) => fail(`cannot run ${node}: ${error.message}`));
child.once("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
