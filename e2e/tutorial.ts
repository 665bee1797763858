// A tutorial as a test reads it: a page of Markdown as steps that write a file, change one, or run commands. Pure.
import assert from "node:assert/strict";
import { readPage } from "../scripts/docs/page.ts";

export type Step = {
  /** Of the block's first line in the page. */
  readonly line: number;
} & (
  | { readonly type: "write"; readonly file: string; readonly text: string }
  | { readonly type: "change"; readonly file: string; readonly diff: string }
  | {
      readonly type: "run";
      readonly script: string;
      /** Commands in it go on in a terminal of this name, until the next ones of that terminal. */
      readonly terminal?: string | undefined;
      /** What it prints, as the page shows it. */
      readonly prints?: string | undefined;
    }
);

/** Blocks after `check: file NAME` are files, or changes of them (diff); those of sh are commands, with what they print after them. What has no language is not run. */
export function readSteps(page: string, text: string): readonly Step[] {
  const steps: Step[] = [];
  for (const { language, text: block, line, directives } of readPage(page, text).code) {
    const named = (word: string): string | undefined =>
      directives.flatMap((each) => new RegExp(`^${word} (\\S+)`).exec(each)?.[1] ?? []).at(0);
    const file = named("file");
    const last = steps.at(-1);
    if (file !== undefined)
      steps.push(
        language === "diff"
          ? { line, type: "change", file, diff: block }
          : { line, type: "write", file, text: `${block}\n` },
      );
    else if (language === "") continue;
    else if (language === "sh") steps.push({ line, type: "run", script: block, terminal: named("terminal") });
    else if (language === "text" && last?.type === "run") steps.splice(-1, 1, { ...last, prints: block });
    else assert.fail(`${page}:${line}: a block of ${language} that no step is made of`);
  }
  return steps;
}

/** Lines with - are replaced by those with +, between those without a sign; `@@` is between changes. */
export function changed(text: string, diff: string): string {
  return diff.split(/^@@.*\n/m).reduce((before, hunk) => {
    const all = hunk.replace(/\n$/, "").split("\n");
    const side = (sign: string): string[] =>
      all.filter((each) => each === "" || each.startsWith(" ") || each.startsWith(sign)).map((each) => each.slice(1));
    const [old, lines] = [side("-"), before.split("\n")];
    const places = lines.flatMap((_, at) => (old.every((each, offset) => lines[at + offset] === each) ? [at] : []));
    const [place] = places;
    if (place === undefined || places.length > 1)
      assert.fail(`these lines are there ${places.length} times, not once:\n${old.join("\n")}`);
    return lines.toSpliced(place, old.length, ...side("+")).join("\n");
  }, text);
}

/**
 * Whether the page shows this output. `...` stands for any text, on a line of its own for any lines. Ages, times, addresses, paths
 * of kubeconfigs and the width of columns differ.
 */
export function isShown(output: string, prints: string): boolean {
  const alike = (text: string): string =>
    text
      .replaceAll(/\b\d+(\.\d+){3}(:\d+)?\b/g, "IP")
      .replaceAll(/\/\S*config\b/g, "FILE")
      .replaceAll(/\b\d\d:\d\d:\d\d\b/g, "TIME")
      .replaceAll(/\b(\d+[smhd])+\b/g, "AGE")
      .replaceAll(/\d+\.\d+ms/g, "TIME")
      .replaceAll(/[ \t]+/g, " ")
      .replaceAll(/ $/gm, "")
      .trim();
  const pattern = alike(prints)
    .split("\n")
    .map((line) =>
      line === "..."
        ? "(?:.*\\n)*?"
        : `${line
            .split("...")
            .map((part) => RegExp.escape(part))
            .join(".*")}\\n`,
    )
    .join("");
  return new RegExp(`^${pattern}$`).test(`${alike(output)}\n`);
}
