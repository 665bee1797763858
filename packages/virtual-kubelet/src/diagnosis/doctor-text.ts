// The findings of `doctor` for people. Pure.
import type { Finding, Outcome } from "./doctor-check.ts";

export interface NamedFinding extends Finding {
  readonly check: string;
}

const marks: Readonly<Record<Outcome, string>> = { ok: "ok  ", warn: "WARN", fail: "FAIL", skip: "-   " };

export function findingText({ check, status, message, fix }: NamedFinding): string {
  return `${marks[status]}  ${check.padEnd(width)}  ${message}\n${fix === undefined ? "" : `${" ".repeat(width + 8)}fix: ${fix}\n`}`;
}

const width = 14;

export function summary(findings: readonly Finding[]): string {
  const count = (status: Outcome): number => findings.filter((finding) => finding.status === status).length;
  const [failed, warned, skipped] = [count("fail"), count("warn"), count("skip")];
  if (failed + warned === 0) return `\nall is well${skipped === 0 ? "" : `; ${skipped} not looked at`}\n`;
  return `\n${failed} failed, ${warned} with a warning, ${skipped} not looked at, of ${findings.length}\n`;
}
