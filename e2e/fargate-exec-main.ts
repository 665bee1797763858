// Makes a pod at the endpoint that it is told, runs a command in it, removes it, and ends as the command did: as a process of its own,
// whose certificate authorities come from its environment.
import { FargateBench } from "./fargate-bench.ts";
import { benchImage } from "./podman.ts";

const [endpoint = "", ...command] = process.argv.slice(2);
await using bench = new FargateBench(endpoint);
const containers = [{ name: "web", image: benchImage, command: ["sleep", "600"] }];
const request = bench.request("other-process", { terminationGracePeriodSeconds: 2, containers });
const { id } = await bench.backend.create(request, bench.context);
const group = await bench.groupIs(id, "runs", ({ stage }) => stage === "running");
const io = { stdout: process.stdout, tty: false };
const result = await bench.backend.exec?.({ group, container: "web" }, command, io, bench.context);
await bench.backend.remove(group, { gracePeriodSeconds: 0 }, bench.context);
process.exitCode = result?.exitCode ?? 1;
