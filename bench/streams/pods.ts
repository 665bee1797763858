// Pods of these benches: bound already, of one container.
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeClient, pods } from "@virtual-kubelet/virtual-kubelet";

/** Makes `count` pods named `<prefix>-<index>` on the node; answers their names. */
export async function createPods(
  client: KubeClient,
  node: string,
  prefix: string,
  count: number,
  annotations: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const queue = names[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const name of queue)
      await client.create(pods, {
        metadata: { name, namespace: "default", annotations: { ...annotations } },
        spec: {
          nodeName: node,
          automountServiceAccountToken: false,
          tolerations: [{ operator: "Exists" }],
          containers: [{ name: "main", image: "example/app:1" }],
        },
      });
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return names;
}

/** Resolves when all pods of the node run. */
export async function untilRunning(client: KubeClient, node: string, limitMs = 120_000): Promise<void> {
  for (const end = performance.now() + limitMs; ; await sleep(200)) {
    const { items } = await client.list(pods, { fieldSelector: `spec.nodeName=${node}` });
    if (items.every(({ status }) => status?.phase === "Running")) return;
    if (performance.now() > end) throw new Error(`not all pods of ${node} run`);
  }
}
