// What is left of a test with real containers when its process is killed in the middle: nothing. Needs root on Linux.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { isAlive, statOf } from "../host/process-table.ts";
import { benchRange, until } from "./process-bench.ts";

const bench = new URL("./process-bench.ts", import.meta.url).href;
const table = new URL("../host/process-table.ts", import.meta.url).href;

for (const [isolation, cgroups, network] of [
  ["namespaces", "auto", { network: "private", podCIDR: `${benchRange()}.0/28` }],
  ["namespaces", "auto"],
  ["namespaces", "off"],
  ["none", "auto"],
  ["none", "off"],
] as const)
  test(`containers, mounts and files go with a killed test: isolation ${isolation}, cgroups ${cgroups}, network ${network?.network ?? "host"}`, async (context) => {
    const program = `
      import { globSync, readFileSync } from "node:fs";
      import { ProcessBench, until } from ${JSON.stringify(bench)};
      import { descendants } from ${JSON.stringify(table)};
      const bench = new ProcessBench(${JSON.stringify({ isolation, cgroups, ...network })});
      await bench.open();
      const pod = await bench.pod({ volumes: [{ name: "v", type: "emptyDir", medium: "Memory" }] });
      const ref = await bench.run(pod, "trap '' TERM; sleep 1000 & echo up; while :; do sleep 0.1; done", { stdin: true });
      await until(async () => (await bench.log(ref)).length > 0, "output");
      const [file] = globSync(bench.directory + "/state/*/pods/*/containers/*/*/pid");
      const main = readFileSync(file, "utf8").split(" ")[0];
      const others = [...descendants(Number(main)), ...bench.processes()].map(({ pid }) => pid);
      console.log(JSON.stringify({ directory: bench.directory, bridge: bench.bridge, links: bench.links(), pids: [...new Set([Number(main), ...others])] }));
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    context.after(() => owner.kill("SIGKILL"));
    const ended = once(owner, "exit");
    const [line]: unknown[] = await once(createInterface(owner.stdout), "line");
    const { directory, pids, bridge, links }: { directory: string; pids: number[]; bridge: string; links: string[] } =
      JSON.parse(String(line));
    const before = pids.flatMap((pid) => statOf(pid) ?? []);
    assert.ok(before.length >= 3, `${before.length} processes`);
    assert.equal(links.length, network === undefined ? 0 : 1);
    owner.kill("SIGKILL");
    await ended;
    await until(() => !before.some((one) => isAlive(one)), "the end of all processes");
    await until(() => !existsSync(directory), "the end of the directory");
    for (const name of [bridge, ...links]) assert.ok(!existsSync(`/sys/class/net/${name}`), `${name} is gone`);
  });
