import assert from "node:assert/strict";
import { test } from "node:test";
import type { Manifest } from "../packages/workspace.ts";
import { provenanceFaults, type ReleaseFacts, releaseFaults } from "./release-faults.ts";

function manifest(name: string, version: string, dependencies: Readonly<Record<string, string>> = {}): Manifest {
  return {
    ...{ name, version, dependencies, private: false, files: [], exports: {}, bin: {} },
    ...{ optionalDependencies: {}, peerDependencies: {} },
  };
}

const fit: ReleaseFacts = {
  changes: [],
  manifests: [manifest("core", "1.2.0"), manifest("provider", "1.2.0", { core: "1.2.0", other: "^3.0.0" })],
  locked: { core: "1.2.0", provider: "1.2.0" },
  elsewhere: [{ file: "deploy/chart/Chart.yaml", version: "1.2.0" }],
  changelog: "# Changelog\n\n## 1.2.0 (2026-11-30)\n- More.\n\n## 1.1.0 (2026-10-01)\n- Less.\n",
};

const cases: readonly {
  readonly name: string;
  readonly facts: Partial<ReleaseFacts>;
  readonly faults: readonly RegExp[];
}[] = [
  { name: "all is well", facts: {}, faults: [] },
  {
    name: "changes, the first of them named",
    facts: { changes: ["a", "b", "c", "d", "e", "f", "g"] },
    faults: [/^the working tree has changes: a, b, c, d, e and 2 more$/],
  },
  {
    name: "a package of another version",
    facts: { manifests: [manifest("core", "1.2.0"), manifest("provider", "1.1.0", { core: "1.2.0" })] },
    faults: [
      /different versions: core 1.2.0, provider 1.1.0; .*release -- version/,
      /package-lock.json has provider 1.2.0/,
    ],
  },
  {
    name: "a package that asks for another version of a sibling",
    facts: { manifests: [manifest("core", "1.2.0"), manifest("provider", "1.2.0", { core: "^1.0.0" })] },
    faults: [/^provider asks for core \^1.0.0, which is 1.2.0/],
  },
  {
    name: "a lock file without one",
    facts: { locked: { core: "1.2.0" } },
    faults: [/package-lock.json has provider nowhere/],
  },
  {
    name: "a chart that lags",
    facts: { elsewhere: [{ file: "Chart.yaml", version: "1.1.0" }] },
    faults: [/^Chart.yaml has version 1.1.0/],
  },
  {
    name: "no entry",
    facts: { changelog: "# Changelog\n\n## 1.1.0 (2026-10-01)\n- Less.\n" },
    faults: [/no section "## 1.2.0/],
  },
  { name: "unreleased", facts: { changelog: "## 1.2.0 (unreleased)\n- More.\n" }, faults: [/calls 1.2.0 unreleased/] },
  { name: "no date", facts: { changelog: "## 1.2.0 (soon)\n- More.\n" }, faults: [/has no date/] },
  {
    name: "an empty entry",
    facts: { changelog: "## 1.2.0 (2026-11-30)\n\n## 1.1.0 (2026-10-01)\n- Less.\n" },
    faults: [/says nothing of 1.2.0/],
  },
];

for (const { name, facts, faults } of cases) {
  test(`fit for a release: ${name}`, () => {
    const found = releaseFaults({ ...fit, ...facts });
    assert.equal(found.length, faults.length, found.join("\n"));
    for (const [index, fault] of faults.entries()) assert.match(found[index] ?? "", fault);
  });
}

test("provenance needs an address and a run of CI that can prove itself", () => {
  const repository = "git+https://git.example/team/project.git";
  assert.deepEqual(provenanceFaults(repository, { ACTIONS_ID_TOKEN_REQUEST_URL: "https://ci.example" }), []);
  assert.match(provenanceFaults(repository, { ACTIONS_ID_TOKEN_REQUEST_URL: "" }).join("\n"), /^a run of CI [^\n]*$/);
  const [address, run] = provenanceFaults("git@git.example:team/project", {});
  assert.match(address ?? "", /git\+https:.*--repository is git@git.example/);
  assert.match(run ?? "", /SIGSTORE_ID_TOKEN/);
  assert.match(provenanceFaults(undefined, { SIGSTORE_ID_TOKEN: "x" }).join("\n"), /--repository/);
});
