// Programs of Python that end-to-end tests run against what is tested, from pinned packages of PyPI, each in a virtual environment in
// the user's cache.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory } from "../packages/virtual-kubelet/src/testing/go-build.ts";

const run = promisify(execFile);

/**
 * Absolute path of the Python that has what `peers/<name>/requirements.txt` names, whole and pinned. Made where it is not in the
 * cache yet, which takes some seconds; a change of the file makes it anew.
 */
export async function findPython(name: string): Promise<string> {
  const requirements = join(import.meta.dirname, "peers", name, "requirements.txt");
  const digest = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex")
    .slice(0, 12);
  const place = join(cacheDirectory(process.env), "peers", `${name}-${digest}`);
  const python = join(place, "bin/python");
  if (existsSync(python)) return python;
  // Put in place whole; of several processes that make it one does.
  const temporary = `${place}.${process.pid}.tmp`;
  try {
    await mkdir(join(place, ".."), { recursive: true });
    await run("python3", ["-m", "venv", temporary]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements];
    await run(join(temporary, "bin/python"), pip);
    await rename(temporary, place);
  } catch (error) {
    if (!existsSync(python)) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return python;
}
