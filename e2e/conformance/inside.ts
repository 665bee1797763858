// A run as it is inside a machine of its own: control plane, registry, engine and node, then Kubernetes' tests against them.
// Argument: file with the settings. Standard output tells how far it is.
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "../../packages/virtual-kubelet/src/errors.ts";
import { findKubectl } from "../../packages/virtual-kubelet/src/testing/binaries.ts";
import { startControlPlane } from "../../packages/virtual-kubelet/src/testing/control-plane.ts";
import { ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";
import { Engine } from "./engine.ts";
import { runGinkgo } from "./ginkgo.ts";
import { registriesConf, startImageRegistry } from "./image-registry.ts";
import { buildImages, partsOf } from "./images.ts";
import { listedImages } from "./listed-images.ts";
import { startNode } from "./node.ts";
import { kubernetesVersion } from "./programs.ts";
import { type RunSettings, readSettings } from "./settings.ts";

const say = (line: string): void => console.log(line);

async function main(settings: RunSettings): Promise<void> {
  const group = new ProcessGroup({ directory: join(settings.directory, "inside"), parent: "", prefix: "" });
  const [cluster, engine] = await Promise.all([
    startControlPlane({ version: kubernetesVersion, directory: join(settings.directory, "cluster"), onProgress: say }),
    startEngine(group, settings),
  ]);
  const logs = async (): Promise<void> => {
    for (const from of [group.directory, cluster.directory]) await copyLogs(from, settings.reportDirectory);
  };
  try {
    const program = await startNode({ cluster, engine, group, settings });
    say(`node ${settings.node} is ready; logs: ${settings.reportDirectory}`);
    const shortly = setInterval(() => void logs().catch((error: unknown) => say(errorText(error))), 10_000);
    try {
      for (let repetition = 1; repetition <= settings.repeat; repetition++) {
        if (settings.repeat > 1) say(`repetition ${repetition} of ${settings.repeat}`);
        const directory = join(settings.reportDirectory, `${repetition}`);
        await mkdir(directory, { recursive: true });
        await runGinkgo({
          ...settings,
          timeoutSeconds: settings.timeout,
          kubeconfig: cluster.kubeconfig,
          kubectl: await findKubectl({ version: kubernetesVersion }),
          host: cluster.server,
          directory,
        });
        if (!program.running) throw new Error(`the virtual kubelet ended by itself:\n${await program.logTail()}`);
      }
    } finally {
      clearInterval(shortly);
    }
    if (settings.keep) {
      say(`kept until Ctrl-C; in there KUBECONFIG is ${cluster.kubeconfig}`);
      await new Promise(() => undefined);
    }
  } finally {
    await logs();
  }
}

async function startEngine(group: ProcessGroup, settings: RunSettings): Promise<Engine> {
  const names = await listedImages();
  const registry = await startImageRegistry(group);
  const hosts = [...new Set(names.map((name) => partsOf(name).host))];
  const engine = await Engine.start(group, registriesConf(hosts, registry));
  const directory = join(settings.directory, "images");
  await mkdir(directory);
  const images = await buildImages(names, directory);
  await engine.load(images, registry);
  say(`${images.size} images are there`);
  return engine;
}

async function copyLogs(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    if (name.endsWith(".log")) await copyFile(join(from, name), join(to, name));
  }
}

const [file = ""] = process.argv.slice(2);
const settings = await readSettings(file);
try {
  await main(settings);
} catch (error) {
  say(errorText(error));
  process.exit(1);
}
// All else ends with this namespace.
process.exit(0);
