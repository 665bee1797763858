// The Nomad provider keeps the provider contract: on the agent at NOMAD_ADDR (with NOMAD_TOKEN and so on) where that is set, else on the
// fake, whose tasks are real processes.
import { after } from "node:test";
import { clientOf, nomadProviderOf } from "../packages/provider-nomad/src/nomad-provider.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { providerConformance } from "../packages/virtual-kubelet/src/testing/provider-conformance.ts";
import { NomadAgent } from "./nomad-agent.ts";

const agent = await NomadAgent.start();
after(() => agent[Symbol.asyncDispose]());
const { config, image } = agent;

const container = (script: string, more: object = {}): { readonly name: string } => ({
  ...{ name: "main", command: ["/bin/sh", "-c", script] },
  ...(image === "" ? {} : { image }),
  ...more,
});
const wait = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

/** Listens on the port, by whichever the machine of the agent has; where another pod has the port already, that one answers. */
const echo = (port: number): string => `
trap 'kill $!; exit 0' TERM
while :; do
  if command -v python3 >/dev/null; then python3 -c '
import socketserver
class Echo(socketserver.BaseRequestHandler):
  def handle(self):
    while data := self.request.recv(65536): self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
  allow_reuse_address = daemon_threads = True
Server(("0.0.0.0", ${port}), Echo).serve_forever()
' & else nc -lk -p ${port} -e cat & fi
  wait $!
  sleep 1
done`;
// Programs on the network of the host have all of its ports.
const isOnHost = config.network.mode === "host";
const port = isOnHost ? await freePort() : 8080;

providerConformance(`Nomad, driver ${config.driver}`, {
  create: async () => ({
    provider: nomadProviderOf(
      { node: "conformance-node", cluster: "conformance", log: silentLogger },
      config,
      clientOf(config),
      { pace: { fastMs: 500, slowMs: 2000, steadyMs: 2000, pushedMs: 5000 }, consistencyMs: 2000, followEveryMs: 500 },
    ),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [container(wait)] } },
  finishingPod: (exitCode) => ({ spec: { restartPolicy: "Never", containers: [container(`exit ${exitCode}`)] } }),
  restartingPod: { spec: { restartPolicy: "Always", containers: [container("exit 1")] } },
  loggingPod: { spec: { containers: [container(`echo line; ${wait}`)] } },
  echoPod: {
    port,
    spec: { containers: [container(echo(port), isOnHost ? {} : { ports: [{ containerPort: port }] })] },
  },
  addresses: !isOnHost,
  outlives: true,
  lacks: ["configureNode", "attachToContainer"],
});
