// The index of the docs has every page.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readPage } from "./page.ts";

test("docs/README.md links to every page of docs", () => {
  const docs = join(import.meta.dirname, "../../docs");
  const linked = new Set(
    readPage("docs/README.md", readFileSync(join(docs, "README.md"), "utf8")).links.map(({ target }) => target),
  );
  const pages = globSync("**/*.md", { cwd: docs }).filter((page) => page !== "README.md");
  assert.deepEqual(
    pages.filter((page) => !linked.has(page)),
    [],
    "pages that the index lacks",
  );
});
