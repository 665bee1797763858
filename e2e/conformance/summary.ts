// What became of the tests over all repetitions: figures, lists, and the table for the documentation.
import type { TestResult } from "./ginkgo-report.ts";

export interface Verdict {
  readonly name: string;
  /** "flaky": passed in some repetitions and failed in others. */
  readonly state: TestResult["state"] | "flaky";
  /** Longest of all. */
  readonly seconds: number;
  readonly message: string;
  readonly place: string;
}

/** One verdict for each test, by name. */
export function verdicts(repetitions: readonly (readonly TestResult[])[]): readonly Verdict[] {
  const byName = Map.groupBy(repetitions.flat(), ({ name }) => name);
  return [...byName]
    .map(([name, results]): Verdict => {
      const failed = results.find(({ state }) => state === "failed");
      const passed = results.some(({ state }) => state === "passed");
      const told = failed ?? results[0];
      return {
        name,
        state: failed === undefined ? (passed ? "passed" : "skipped") : passed ? "flaky" : "failed",
        seconds: Math.max(...results.map(({ seconds }) => seconds)),
        message: passed && failed === undefined ? "" : (told?.message ?? ""),
        place: told?.place ?? "",
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function counts(all: readonly Verdict[]): Readonly<Record<Verdict["state"], number>> {
  const of = (wanted: Verdict["state"]): number => all.filter(({ state }) => state === wanted).length;
  return { passed: of("passed"), failed: of("failed"), flaky: of("flaky"), skipped: of("skipped") };
}

/** `N passed, N failed, N flaky, N skipped` */
export function countLine(all: readonly Verdict[]): string {
  const { passed, failed, flaky, skipped } = counts(all);
  return `${passed} passed, ${failed} failed, ${flaky} flaky, ${skipped} skipped`;
}

/** For people: what failed and what was skipped, each with why, then the figures. */
export function summaryText(all: readonly Verdict[], faults: readonly string[]): string {
  const list = (title: string, states: readonly Verdict["state"][], lines: number): readonly string[] => {
    const found = all.filter(({ state }) => states.includes(state));
    if (found.length === 0) return [];
    const shown = found.map((one) => `- ${one.name} (${one.place})\n${indented(firstLines(one.message, lines))}`);
    return ["", `== ${title}`, ...shown];
  };
  return [
    ...list("Skipped", ["skipped"], 2),
    ...list("Failed", ["failed"], 8),
    ...list("Flaky", ["flaky"], 8),
    ...(faults.length === 0 ? [] : ["", "== Beside the tests", ...faults.map((fault) => firstLines(fault, 8))]),
    "",
    countLine(all),
  ].join("\n");
}

/** Markdown: a table by the tests' files, then what did not pass. */
export function summaryTable(all: readonly Verdict[]): string {
  const areas = [...Map.groupBy(all, ({ place }) => areaOf(place))].sort(([a], [b]) => (a < b ? -1 : 1));
  const row = (title: string, of: readonly Verdict[]): string => {
    const { passed, failed, flaky, skipped } = counts(of);
    return `| ${title} | ${of.length} | ${passed} | ${failed} | ${flaky} | ${skipped} |`;
  };
  const others = all.filter(({ state }) => state !== "passed");
  return [
    "| Tests of | | Passed | Failed | Flaky | Skipped |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...areas.map(([area, of]) => row(area, of)),
    row("**All**", all),
    ...(others.length === 0 ? [] : ["", "| Test | | Why |", "| --- | --- | --- |"]),
    ...others.map(({ name, state, message }) => `| ${cell(name)} | ${state} | ${cell(firstLines(message, 2))} |`),
  ].join("\n");
}

/** "node/pods" of `common/node/pods.go:12`. */
export function areaOf(place: string): string {
  return place.replace(/\.go:\d+$/, "").replace(/^common\//, "");
}

export function firstLines(text: string, count: number): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines
    .slice(0, count)
    .map((line) => line.slice(0, 300))
    .join("\n");
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

function cell(text: string): string {
  return text.replaceAll("|", String.raw`\|`).replaceAll("<", "&lt;").replaceAll(/\s+/g, " ");
}
