// promtool, and the tests that it is given: what rules fire, and what expressions find in a series of scrapes.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findPeer } from "./peers.ts";

export interface Outcome {
  readonly code: number;
  /** All that it said. */
  readonly text: string;
}

export async function promtool(args: readonly string[], cwd: string): Promise<Outcome> {
  const program = await findPeer("promtool");
  return new Promise((settle, reject) => {
    execFile(program, [...args], { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null) settle({ code: 0, text: `${stdout}${stderr}` });
      else if (typeof error.code === "number") settle({ code: error.code, text: `${stdout}${stderr}` });
      else reject(error);
    });
  });
}

/** Series of expositions that were scraped one after another, one a minute, with the labels that Prometheus adds. */
function seriesOf(scrapes: readonly string[], added: string): readonly { series: string; values: string }[] {
  const values = new Map<string, string[]>();
  for (const [turn, text] of scrapes.entries()) {
    for (const line of text.split("\n")) {
      const [, name, labels = "", value] = /^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) continue;
      const series = `${name}{${[added, labels].filter((part) => part !== "").join(",")}}`;
      const known = values.get(series) ?? Array.from({ length: turn }, () => "_");
      values.set(series, known);
      known.push(value === "Nan" ? "NaN" : value);
    }
    for (const known of values.values()) if (known.length === turn) known.push("_");
  }
  return [...values].map(([series, each]) => ({ series, values: each.join(" ") }));
}

/** Those of the expressions that promtool cannot evaluate or that find nothing in the scrapes, with what it says of them. */
export async function findNothing(
  expressions: readonly string[],
  scrapes: readonly string[],
): Promise<readonly string[]> {
  const added = 'job="virtual-kubelet",instance="127.0.0.1:10255"';
  const up = `up{${added}}`;
  const series = [...seriesOf(scrapes, added), { series: up, values: `1x${scrapes.length}` }];
  const file = {
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: series,
        promql_expr_test: [...new Set(expressions)].map((expr) => ({
          expr: `count(${expr}) > bool 0`,
          eval_time: `${scrapes.length - 1}m`,
          exp_samples: [{ labels: "{}", value: 1 }],
        })),
      },
    ],
  };
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-promtool-"));
  try {
    const path = join(directory, "expressions.yaml");
    // JSON is YAML.
    await writeFile(path, JSON.stringify(file));
    const { code, text } = await promtool(["test", "rules", path], dirname(path));
    const faults = [...text.matchAll(/expr: "(.*?)", time: [^\n]*\n?[^\n]*/gs)].map(([fault]) => fault);
    return code === 0 ? [] : faults.length > 0 ? faults : [text];
  } finally {
    await rm(directory, { recursive: true });
  }
}
