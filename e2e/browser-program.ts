// Where the browser for tests of the web view is. Debian's package `chromium` brings it.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const names: readonly string[] = ["chromium", "chromium-browser", "google-chrome"];

export const noBrowser: string = `there is none of ${names.join(", ")} on the PATH`;

/** Undefined: there is none on the PATH. */
export function findBrowser(): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((directory) => names.map((name) => join(directory, name)))
    .find((file) => existsSync(file));
}
