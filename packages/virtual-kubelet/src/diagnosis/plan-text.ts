// A plan as text for people. Pure.

import { namesText } from "./node-names.ts";
import { costText } from "./plan-cost.ts";
import type { ContainerPlan, VolumePlan } from "./plan-parts.ts";
import type { PodPlan } from "./plan-pod.ts";
import { renderTable } from "./table.ts";

export function planText(plan: PodPlan): string {
  const { origin, namespace, name, nodes, provider, fits, refusals, notes, needs, order, containers, volumes } = plan;
  const title = origin === `Pod ${name}` ? `Pod ${namespace}/${name}` : `${origin} (pods in ${namespace})`;
  const head = `${title} on ${nodes.length === 1 ? "node" : `${nodes.length} nodes:`} ${namesText(nodes)} (provider ${provider}): ${fits ? "fits" : "REFUSED"}`;
  const rows: [string, string][] = [
    ...refusals.map(({ field, reason, message }): [string, string] => [
      "refused",
      `${field === undefined ? `${reason}: ` : `${field}: `}${message}`,
    ]),
    ...notes.map((note): [string, string] => ["note", note]),
    ...needs.map((need): [string, string] => ["waits for", `${need}: not in the file, must be in the cluster`]),
    ["order", order.map((group, index) => `${index + 1}. ${group.join(", ")}`).join("   ")],
    ...containers.flatMap(containerRows),
    ...volumes.map((volume): [string, string] => [`volume ${volume.name}`, volumeText(volume)]),
    ...(plan.cost === undefined ? [] : [["cost", costText(plan.cost)] satisfies [string, string]]),
    [
      "pod",
      `${amounts(plan.resources)}; QoS ${plan.qosClass}; restart ${plan.restartPolicy}; ${plan.terminationGracePeriodSeconds} s to end`,
    ],
  ];
  return `${head}\n${renderTable(rows)}`;
}

function containerRows({
  name,
  role,
  image,
  imagePullPolicy,
  command,
  args,
  env,
  mounts,
  probes,
  resources,
}: ContainerPlan): [string, string][] {
  const words = [...(command ?? []), ...(args ?? [])].map((word) =>
    /^[\w./:=@,+-]+$/.test(word) ? word : JSON.stringify(word),
  );
  const start = command === undefined ? "the image's entrypoint" : "";
  return [
    [`${role === "main" ? "container" : role} ${name}`, `${image}, pulled ${imagePullPolicy}`],
    ["  runs", [start, ...words].filter((part) => part !== "").join(" ")],
    ...env.map((one): [string, string] => ["  env", `${one.name}=${shortened(one.value)}`]),
    ...mounts.map(({ path, volume, readOnly }): [string, string] => [
      "  mount",
      `${path} from ${volume}${readOnly ? ", read-only" : ""}`,
    ]),
    ...probes.map((probe): [string, string] => ["  probe", probe]),
    ["  amounts", amounts(resources)],
  ];
}

function volumeText({ kind, detail, files, refused }: VolumePlan): string {
  const names =
    files === undefined || files.length === 0
      ? ""
      : `: ${files.slice(0, 8).join(", ")}${files.length > 8 ? " ..." : ""}`;
  return `${kind}${detail === "" ? "" : ` ${detail}`}${names}${refused === undefined ? "" : ` (refused: ${refused})`}`;
}

function amounts({ requests = {}, limits = {} }: PodPlan["resources"]): string {
  const list = (of: Readonly<Record<string, string>>): string =>
    Object.entries(of)
      .map(([name, amount]) => `${name} ${name === "cpu" ? amount.replace(/000m$/, "") : readable(amount)}`)
      .join(", ") || "none";
  return `requests ${list(requests)}; limits ${list(limits)}`;
}

/** Whole bytes in the largest binary unit that leaves no rest. */
function readable(amount: string): string {
  if (!/^\d+$/.test(amount)) return amount;
  let value = BigInt(amount);
  let unit = 0;
  while (value > 0n && value % 1024n === 0n && unit < 6) [value, unit] = [value / 1024n, unit + 1];
  return `${value}${["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][unit]}`;
}

const shortened = (text: string): string => {
  const line = text.replaceAll("\n", "\\n");
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
};
