// A development cluster as a process of its own, to be killed: `kept-cluster.ts DIRECTORY` says one line when it answers.
import { startDevCluster } from "../dev-cluster.ts";

const cluster = await startDevCluster({ directory: process.argv[2] });
process.stdout.write(`${cluster.server}\n`);
