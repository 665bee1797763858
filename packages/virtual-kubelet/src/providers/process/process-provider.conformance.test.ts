// The pod engine over processes keeps the provider contract. Needs root on Linux.
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { silentLogger } from "../../log.ts";
import type { Provider } from "../../provider.ts";
import { freePort } from "../../testing/free-port.ts";
import { providerConformance } from "../../testing/provider-conformance.ts";
import { resolvedLiterally } from "../../testing/resolved-literally.ts";
import { removeTree } from "./pod-volumes.ts";
import { createProcessProvider } from "./process-provider.ts";

const image = "registry.example/host:1";
const port = await freePort();
const pod = (script: string, more: object = {}): { readonly name: string; readonly image: string } => ({
  ...{ name: "main", image, command: ["/bin/sh", "-c", script] },
  ...more,
});
const wait = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
// Pods share the host's network: of two, one gets the port.
const echo = `${process.execPath} -e "require('net').createServer({allowHalfOpen:true},(s)=>s.on('error',()=>{}).pipe(s)).on('error',()=>setInterval(()=>{},1e6)).listen(${port},'127.0.0.1',()=>console.log('up'))"`;

for (const isolation of ["namespaces", "none"] as const) {
  const directory = mkdtempSync(join(tmpdir(), "vk-process-conformance-"));
  after(async () => {
    await removeTree(directory);
    await rm(directory, { recursive: true, force: true });
  });
  const create = async (): Promise<Provider> =>
    resolvedLiterally(
      await createProcessProvider({
        ...{ node: "conformance-node", operatingSystem: "linux", log: silentLogger, internalIP: "192.0.2.1" },
        config: {
          stateDirectory: join(directory, "state"),
          isolation,
          cgroupParent: `vk-test-${process.pid}`,
          images: { [image]: "host" },
        },
      }),
    );

  providerConformance(`engine over processes, isolation ${isolation}`, {
    create: async () => ({ provider: await create(), dispose: async () => {} }),
    lacks: ["configureNode"],
    outlives: true,
    addresses: false,
    runningPod: { spec: { containers: [pod(wait)] } },
    finishingPod: (exitCode) => ({ spec: { restartPolicy: "Never", containers: [pod(`exit ${exitCode}`)] } }),
    restartingPod: { spec: { restartPolicy: "Always", containers: [pod("exit 1")] } },
    loggingPod: { spec: { containers: [pod(`echo line; ${wait}`)] } },
    interactivePod: { spec: { containers: [pod("cat", { stdin: true })] } },
    echoPod: { spec: { containers: [pod(echo)] }, port },
  });
}
