// The full names of the images that Kubernetes' tests may use, as the test program itself tells them.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findConformanceProgram } from "./programs.ts";

export async function listedImages(): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(await findConformanceProgram("e2e.test"), ["--list-images"]);
  return stdout.split("\n").filter((line) => /^\S+\/\S+:\S+$/.test(line));
}
