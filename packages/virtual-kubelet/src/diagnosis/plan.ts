// `virtual-kubelet plan -f FILE`: what the pods of a file would become on each configured node, or what refuses them. Needs no cluster.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { hint } from "../host/closest.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { flagText, loadConfig } from "../program/load-config.ts";
import { fileSources } from "./file-sources.ts";
import { namesText } from "./node-names.ts";
import { type PlanTarget, type PodPlan, planPod, shared } from "./plan-pod.ts";
import { planTarget } from "./plan-target.ts";
import { planText } from "./plan-text.ts";
import { readDocuments } from "./pod-documents.ts";
import type { Invocation } from "./run.ts";

/** 0: each fits on a node; 1: one fits on none, or the provider cannot be asked; 2: the file or the flags are wrong. */
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
  const wanted = flagText(line, "node");
  const nodes = config.nodes.filter((node) => wanted === undefined || node.name === wanted);
  if (nodes.length === 0 && wanted !== undefined) {
    const names = config.nodes.map((node) => node.name);
    return usage(
      `plan: --node ${wanted}: no such node is configured${hint(wanted, names) || `; there are ${namesText(names)}`}`,
    );
  }
  const plans = new Map(documents.pods.map((one): [typeof one, PodPlan[]] => [one, []]));
  for (const node of nodes) {
    const target = await targetOf(config, node, cwd);
    const sources = fileSources(documents, target.node);
    for (const [{ origin, pod }, list] of plans) {
      try {
        list.push(planPod(origin, pod, target, sources));
      } catch (error) {
        return usage(`plan: ${name}: ${origin} is no valid object: ${errorText(error)}`);
      }
    }
  }
  const fits = [...plans.values()].every((list) => list.some((one) => one.fits));
  const all = [...plans.values()].flatMap(shared);
  if (json) stdout.write(`${JSON.stringify({ fits, pods: all }, undefined, 2)}\n`);
  else {
    stdout.write(all.map(planText).join("\n"));
    const { others } = documents;
    if (others.length > 0) stderr.write(`run nothing on a node: ${others.join(", ")}\n`);
  }
  return fits ? 0 : 1;
}

/** What is wrong with one of several nodes is told with its name. */
async function targetOf(config: Config, node: NodeConfig, cwd: string): Promise<PlanTarget> {
  try {
    return await planTarget(config, node, cwd);
  } catch (error) {
    if (config.nodes.length === 1) throw error;
    const { kind } = VirtualKubeletError.from(error);
    throw new VirtualKubeletError(kind, `node ${node.name}: ${errorText(error)}`, { cause: error });
  }
}
