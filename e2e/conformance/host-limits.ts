// What a host cannot do that a test needs: such tests are skipped, for a reason that names it. Nothing that we could build
// belongs here.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { TestResult } from "./ginkgo-report.ts";
import { chosen } from "./subset.ts";

const run = promisify(execFile);

interface Limit {
  /** Matches the tests' names. */
  readonly tests: string;
  readonly place: string;
  readonly reason: string;
  /** Can this host do it? Asked in a way that leaves nothing behind. */
  readonly possible: () => Promise<boolean>;
}

const limits: readonly Limit[] = [
  {
    tests: "PrivilegedPod .*should enable privileged commands",
    place: "common/node/privileged.go:60",
    reason: "The host's kernel has no dummy network devices (CONFIG_DUMMY), which the test adds.",
    possible: () => succeeds("unshare", ["--net", "ip", "link", "add", "dummy1", "type", "dummy"]),
  },
];

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, [...args]).then(
    () => true,
    () => false,
  );
}

export interface HostLimits {
  /** For Ginkgo, as a regular expression; "" for none. */
  readonly skip: string;
  /** The tests that were chosen and cannot run. */
  readonly skipped: readonly TestResult[];
}

/** Of these tests, what this host cannot run. */
export async function hostLimits(query: {
  readonly labelFilter: string;
  readonly focus: string;
  readonly skip: string;
}): Promise<HostLimits> {
  const impossible: Limit[] = [];
  for (const limit of limits) if (!(await limit.possible())) impossible.push(limit);
  if (impossible.length === 0) return { skip: query.skip, skipped: [] };
  const skipped = (await chosen(query)).flatMap((name) =>
    impossible
      .filter(({ tests }) => new RegExp(tests).test(name))
      .map(({ place, reason }): TestResult => ({ name, state: "skipped", seconds: 0, message: reason, place })),
  );
  const patterns = [query.skip, ...impossible.map(({ tests }) => tests)].filter((pattern) => pattern !== "");
  return { skip: patterns.join("|"), skipped };
}
