// Ginkgo's JSON report, read into what became of each test that was chosen.
import { readFile } from "node:fs/promises";
import * as v from "valibot";

export interface TestResult {
  readonly name: string;
  readonly state: "passed" | "failed" | "skipped";
  readonly seconds: number;
  /** Why it was skipped or failed; "" where it passed. */
  readonly message: string;
  /** Name of the file with the test, and where it failed. */
  readonly place: string;
}

const location = v.object({ FileName: v.string(), LineNumber: v.number() });

const spec = v.object({
  LeafNodeType: v.string(),
  LeafNodeText: v.string(),
  ContainerHierarchyTexts: v.nullish(v.array(v.string()), []),
  LeafNodeLocation: location,
  State: v.string(),
  RunTime: v.number(),
  Failure: v.nullish(v.object({ Message: v.nullish(v.string(), ""), ForwardedPanic: v.nullish(v.string(), "") })),
});

const report = v.array(
  v.object({
    SpecialSuiteFailureReasons: v.nullish(v.array(v.string()), []),
    SpecReports: v.nullish(v.array(spec), []),
  }),
);

export interface GinkgoReport {
  readonly tests: readonly TestResult[];
  /** What went wrong beside the tests. */
  readonly faults: readonly string[];
}

export async function readGinkgoReport(file: string): Promise<GinkgoReport> {
  return ginkgoReport(JSON.parse(await readFile(file, "utf8")));
}

/** Throws valibot's error for what is no such report. */
export function ginkgoReport(json: unknown): GinkgoReport {
  const suites = v.parse(report, json);
  const specs = suites.flatMap(({ SpecReports }) => SpecReports ?? []);
  const tests = specs.filter(({ LeafNodeType }) => LeafNodeType === "It").flatMap(resultOf);
  const broken = specs.filter((one) => one.LeafNodeType !== "It" && !fine.has(one.State));
  const reasons = suites.flatMap(({ SpecialSuiteFailureReasons }) => SpecialSuiteFailureReasons ?? []);
  return { tests, faults: [...reasons, ...broken.map((one) => `${one.LeafNodeType}: ${messageOf(one)}`)] };
}

const fine: ReadonlySet<string> = new Set(["passed", "skipped", "pending"]);

function resultOf(one: v.InferOutput<typeof spec>): TestResult[] {
  const message = messageOf(one);
  // Those that were not chosen are told of too, as skipped for no reason.
  const chosen = one.State !== "pending" && (one.State !== "skipped" || message !== "");
  if (!chosen) return [];
  return [
    {
      name: [...(one.ContainerHierarchyTexts ?? []), one.LeafNodeText].join(" "),
      state: one.State === "passed" || one.State === "skipped" ? one.State : "failed",
      seconds: one.RunTime / 1e9,
      message: one.State === "passed" ? "" : message || one.State,
      place: `${one.LeafNodeLocation.FileName.replace(/^.*\/test\/e2e\//, "")}:${one.LeafNodeLocation.LineNumber}`,
    },
  ];
}

function messageOf({ Failure }: v.InferOutput<typeof spec>): string {
  return [Failure?.Message ?? "", Failure?.ForwardedPanic ?? ""].filter((text) => text !== "").join("\n");
}
