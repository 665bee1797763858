// `virtual-kubelet logs`: what a container printed, and goes on to print.
import { pods, resourcePath } from "../kube/resource.ts";
import { parseDuration } from "../program/duration.ts";
import { flagText } from "../program/load-config.ts";
import { openCluster } from "./cluster.ts";
import { type Invocation, isSet, WrongUse } from "./invocation.ts";
import { writeAll } from "./output.ts";
import { findTarget } from "./pod-target.ts";

export async function logs(input: Invocation): Promise<number> {
  const { line, operands, stdout, stderr } = input;
  const [word, container, ...more] = operands;
  if (word === undefined || more.length > 0) throw new WrongUse("logs of one pod: logs POD, or logs deployment/NAME");
  const query = readQuery(input);
  await using cluster = await openCluster(input);
  const target = await findTarget(cluster, {
    word,
    container: flagText(line, "container") ?? container,
    note: (text) => stderr.write(`${text}\n`),
  });
  const { name, namespace } = target.pod.metadata;
  query.set("container", target.container);
  const path = `${resourcePath(pods, { namespace, name, subresource: "log" })}?${query.toString()}`;
  for await (const chunk of cluster.stream(path, "*/*")) await writeAll(stdout, chunk);
  return 0;
}

function readQuery({ line }: Invocation): URLSearchParams {
  const query = new URLSearchParams();
  for (const [flag, parameter] of [
    ["follow", "follow"],
    ["previous", "previous"],
    ["timestamps", "timestamps"],
  ] as const) {
    if (isSet(line, flag)) query.set(parameter, "true");
  }
  const tail = flagText(line, "tail") ?? "-1";
  if (!/^-1$|^\d+$/.test(tail)) throw new WrongUse(`--tail ${tail}: must be a number of lines`);
  if (tail !== "-1") query.set("tailLines", tail);
  const since = flagText(line, "since");
  if (since !== undefined) {
    const ms = parseDuration(since);
    if (ms === undefined || ms <= 0) throw new WrongUse(`--since ${since}: must be a time like 30s, 5m or 2h`);
    query.set("sinceSeconds", String(Math.max(1, Math.ceil(ms / 1000))));
  }
  return query;
}
