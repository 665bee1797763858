// `virtual-kubelet plan -f FILE`: what the pods of a file would become on the configured node, or what refuses them. Needs no cluster.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorText } from "../errors.ts";
import { flagText, loadConfig } from "../program/load-config.ts";
import { fileSources } from "./file-sources.ts";
import { planPod } from "./plan-pod.ts";
import { planTarget } from "./plan-target.ts";
import { planText } from "./plan-text.ts";
import { type Documents, readDocuments } from "./pod-documents.ts";
import type { Invocation } from "./run.ts";

/** 0: all fit; 1: one is refused, or the provider cannot be asked; 2: the file or the flags are wrong. */
export async function plan(input: Invocation): Promise<number> {
  const { line, cwd, operands, stdout, stderr, usage, json } = input;
  const name = flagText(line, "filename");
  if (name === undefined || name === "")
    return usage("plan: which pods? Give a file: plan -f pod.yaml (- for standard input)");
  if (operands.length > 0) return usage(`plan: unexpected "${operands[0]}": files are given with -f`);
  let text: string;
  try {
    text = await readFile(name === "-" ? "/dev/stdin" : resolve(cwd, name), "utf8");
  } catch (error) {
    return usage(`plan: ${name} cannot be read: ${errorText(error)}`);
  }
  const documents = readDocuments(text, name);
  const { config } = await loadConfig(input, line);
  const faults = [...documents.faults];
  if (faults.length === 0 && documents.pods.length === 0) faults.push(`${name}: no pods, nor anything that makes pods`);
  if (faults.length > 0) return usage(`plan: ${faults.join("\n")}`);
  const target = await planTarget(config, cwd);
  const sources = fileSources(documents, target.node);
  const plans = [];
  for (const { origin, pod } of documents.pods) {
    try {
      plans.push(planPod(origin, pod, target, sources));
    } catch (error) {
      return usage(`plan: ${name}: ${origin} is no valid object: ${errorText(error)}`);
    }
  }
  const fits = plans.every((one) => one.fits);
  if (json) stdout.write(`${JSON.stringify({ fits, pods: plans }, undefined, 2)}\n`);
  else {
    stdout.write(plans.map(planText).join("\n"));
    for (const note of sideNotes(documents, config.nodes.length)) stderr.write(`${note}\n`);
  }
  return fits ? 0 : 1;
}

function sideNotes({ others }: Documents, nodes: number): string[] {
  return [
    ...(others.length > 0 ? [`run nothing on a node: ${others.join(", ")}`] : []),
    ...(nodes > 1 ? [`for the first of ${nodes} nodes: choose another with --nodename`] : []),
  ];
}
