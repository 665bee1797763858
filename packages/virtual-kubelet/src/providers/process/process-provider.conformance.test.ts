// The pod engine over processes keeps the provider contract. Needs root on Linux.
import { after } from "node:test";
import { silentLogger } from "../../log.ts";
import type { Provider } from "../../provider.ts";
import { freePort } from "../../testing/free-port.ts";
import { benchRange, ProcessBench } from "../../testing/process-bench.ts";
import { providerConformance } from "../../testing/provider-conformance.ts";
import { createProcessProvider } from "./process-provider.ts";

const image = "registry.example/host:1";
const port = await freePort();
const pod = (script: string, more: object = {}): { readonly name: string; readonly image: string } => ({
  ...{ name: "main", image, command: ["/bin/sh", "-c", script] },
  ...more,
});
const wait = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
// Where pods share the host's network, of two one gets the port.
const echo = (host: string): string =>
  `${process.execPath} -e "require('net').createServer({allowHalfOpen:true},(s)=>s.on('error',()=>{}).pipe(s)).on('error',()=>setInterval(()=>{},1e6)).listen(${port},'${host}',()=>console.log('up'))"`;

for (const [isolation, network] of [
  ["namespaces", { network: "private", podCIDR: `${benchRange()}.0/24` }],
  ["namespaces", { network: "host" }],
  ["none", { network: "host" }],
] as const) {
  const bench = new ProcessBench({ isolation, ...network, images: { [image]: "host" } });
  // The suite deletes its pods and leaves; their ends are awaited here.
  after(async () => {
    await bench.open();
    await bench[Symbol.asyncDispose]();
  });
  const create = (): Promise<Provider> =>
    createProcessProvider({
      ...{ node: bench.node, operatingSystem: "linux", log: silentLogger, internalIP: "192.0.2.1" },
      config: bench.config,
    });

  providerConformance(`engine over processes, isolation ${isolation}, network ${network.network}`, {
    node: bench.node,
    create: async () => ({ provider: await create(), dispose: async () => {} }),
    lacks: ["configureNode"],
    outlives: true,
    addresses: network.network === "private",
    runningPod: { spec: { containers: [pod(wait)] } },
    finishingPod: (exitCode) => ({ spec: { restartPolicy: "Never", containers: [pod(`exit ${exitCode}`)] } }),
    restartingPod: { spec: { restartPolicy: "Always", containers: [pod("exit 1")] } },
    loggingPod: { spec: { containers: [pod(`echo line; ${wait}`)] } },
    interactivePod: { spec: { containers: [pod("cat", { stdin: true })] } },
    echoPod: { spec: { containers: [pod(echo(network.network === "private" ? "0.0.0.0" : "127.0.0.1"))] }, port },
  });
}
