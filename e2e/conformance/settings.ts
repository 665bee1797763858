// What a run is told, on its way into the machine of its own.
import { readFile, writeFile } from "node:fs/promises";
import * as v from "valibot";

const schema = v.pipe(
  v.object({
    /** Holds all of the run; removed at its end. */
    directory: v.string(),
    /** For what stays: reports and logs. */
    reportDirectory: v.string(),
    /** Name of the node, and of the parent of its pods' control groups. */
    node: v.string(),
    /** As the program's flag takes it. */
    provider: v.string(),
    /** Which tests: Ginkgo's query over labels, and regular expressions over names; "" for all. */
    labelFilter: v.string(),
    focus: v.string(),
    skip: v.string(),
    /** Tests at the same time. */
    procs: v.number(),
    repeat: v.number(),
    /** Of one repetition, seconds. */
    timeout: v.number(),
    /** After the tests all stays as it is until the run is ended. */
    keep: v.boolean(),
    dryRun: v.boolean(),
  }),
  v.readonly(),
);

export type RunSettings = v.InferOutput<typeof schema>;

export async function writeSettings(file: string, settings: RunSettings): Promise<void> {
  await writeFile(file, JSON.stringify(settings));
}

export async function readSettings(file: string): Promise<RunSettings> {
  return v.parse(schema, JSON.parse(await readFile(file, "utf8")));
}
