// What somebody who installs a package would stumble over: publint and are-the-types-wrong look at its tarball.
import { readFileSync } from "node:fs";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import type { PackedPackage } from "./pack-packages.ts";

/**
 * Ways of resolution that these packages are not made for: they are ES modules alone, for Node.js that can `require` such; and
 * `node10` knows no exports.
 */
const foreign: ReadonlySet<string> = new Set(["node10", "node16-cjs"]);

/** One line each; none: nothing is wrong. */
export async function packageFaults({ name, tarball }: PackedPackage): Promise<readonly string[]> {
  const bytes = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
    strict: true,
  });
  const lint = messages.map((message) => `${name}: publint: ${formatMessage(message, pkg) ?? message.code}`);
  const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(bytes)));
  if (checked.types === false) return [...lint, `${name}: are-the-types-wrong: it has no types`];
  const types = checked.problems
    .filter((problem) => !("resolutionKind" in problem && foreign.has(problem.resolutionKind)))
    .map((problem) => `${name}: are-the-types-wrong: ${JSON.stringify(problem)}`);
  return [...lint, ...types];
}
