// A test with an engine that is killed: starts a bench with a container, tells of itself, and waits for its end.
import { benchImage, PodmanBench } from "./podman.ts";

const bench = await PodmanBench.start();
await bench.podman("run", "--detach", "--publish", "127.0.0.1::80", benchImage, "sleep", "600");
const { directory, bridge, subnet, cleanupPid } = bench;
process.stdout.write(`${JSON.stringify({ directory, bridge, subnet, cleanupPid })}\n`);
setInterval(() => undefined, 1000);
