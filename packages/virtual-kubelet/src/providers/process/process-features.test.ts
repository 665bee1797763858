// What pods ask of containers, done by processes of the host. Needs root on Linux.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { ContainerRef } from "../../engine/container-runtime.ts";
import { isErrorKind, VirtualKubeletError } from "../../errors.ts";
import type { TerminalSize } from "../../provider.ts";
import { benchImage, containerOf, ProcessBench, quiet, until } from "../../testing/process-bench.ts";

const refuses = (kind: "Unsupported" | "Invalid", field: string) => (error: unknown) =>
  isErrorKind(error, kind) && error instanceof VirtualKubeletError && error.field === field;

async function exec(
  bench: ProcessBench,
  ref: ContainerRef,
  ...command: string[]
): Promise<{ readonly out: string; readonly code: number }> {
  const stdout = new PassThrough();
  const chunks: Buffer[] = [];
  stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const { exitCode } = await bench.runtime.exec(ref, command, { tty: false, stdout, stderr: stdout }, quiet);
  return { out: Buffer.concat(chunks).toString(), code: exitCode };
}

describe("environment", () => {
  it("has every name and value as they are, and what a loader heeds only when privileges are gone", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const env = [
      { name: "PLAIN", value: "a 'b' \"c\" $d `e` \\ \n f" },
      { name: "odd.name-x", value: "o'dd" },
      { name: "IFS", value: "x" },
      { name: "LD_PRELOAD", value: "/nowhere/evil.so" },
      { name: "PATH", value: "/usr/bin:/bin" },
      { name: "UID", value: "77" },
    ];
    const ref = await bench.run(await bench.pod(), "tr '\\0' '|' </proc/self/environ; echo; sleep 1000", { env });
    await until(
      async () => (await bench.log(ref)).some((line) => line.includes("e` \\ ")) && (await bench.log(ref)).length > 3,
      "the environment",
    );
    for (const text of [
      (await bench.rawLog(ref)).join("\n"),
      (await exec(bench, ref, "sh", "-c", "tr '\\0' '|' </proc/self/environ")).out,
    ]) {
      for (const { name, value } of env.filter((each) => !each.value.includes("\n")))
        assert.ok(text.includes(`${name}=${value}|`), `${name} in ${text}`);
      for (const absent of ["VKUBELET", "LC_ALL", "SHELL=", "OLDPWD"]) assert.ok(!text.includes(absent), absent);
    }
    const spec = readFileSync(
      join(bench.config.stateDirectory, "node-a", "pods", ref.podUid, "containers", "main", "0", "run.json"),
    );
    assert.ok(spec.length > 0);
    const modes = execFileSync("find", [
      bench.config.stateDirectory,
      "-path",
      "*/containers/*",
      "-type",
      "f",
      "-perm",
      "/044",
    ]).toString();
    assert.deepEqual(
      modes.split("\n").filter((line) => line !== "" && !line.endsWith("/termination-message")),
      [],
    );
  });
});

describe("an image with a root directory", () => {
  it("is the container's root, copied on write, with its users and links; tools of the host are out of reach", async () => {
    const root = mkdtempSync(join(tmpdir(), "vk-root-"));
    try {
      for (const path of ["/bin/sh", "/usr/bin/id", "/usr/bin/cat", "/usr/bin/env"]) addProgram(root, path);
      mkdirSync(join(root, "etc"));
      writeFileSync(join(root, "etc", "passwd"), "app:x:1234:4321::/home/app:/bin/sh\n");
      mkdirSync(join(root, "run"));
      mkdirSync(join(root, "var"));
      symlinkSync("/run", join(root, "var", "run"));
      await using bench = new ProcessBench({
        images: { "registry.example/root:*": { root, env: { FROM: "image" }, workingDir: "/work" } },
      });
      await bench.open();
      const podUid = await bench.pod({
        volumes: [{ name: "v", type: "emptyDir", medium: "Memory", sizeLimit: 1_000_000 }],
      });
      const script =
        "id -u; id -g; echo $HOME $FROM; pwd; echo new >/var/run/secrets/f; cat /run/secrets/f; echo x >/etc/passwd || echo denied; [ -e /usr/bin/find ] || echo none; echo $$";
      const ref = await bench.run(podUid, `${script}; while :; do read x </dev/zero; done`, {
        image: "registry.example/root:1",
        security: { runAsUser: 1234 },
        mounts: [{ volume: "v", mountPath: "/var/run/secrets", readOnly: false }],
      });
      await until(async () => (await bench.log(ref)).length >= 9, "all lines");
      const lines = (await bench.log(ref)).filter((line) => line.startsWith("stdout"));
      assert.deepEqual(
        lines.map((line) => line.slice(9)),
        ["1234", "4321", "/home/app image", "/work", "new", "denied", "none", "1"],
      );
      assert.deepEqual(await exec(bench, ref, "sh", "-c", "id -u; pwd; cat /run/secrets/f"), {
        out: "1234\n/work\nnew\n",
        code: 0,
      });
      assert.equal(existsSync(join(root, "work")), false, "the image is left as it was");
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});

function addProgram(root: string, path: string): void {
  const libraries = execFileSync("ldd", [path])
    .toString()
    .matchAll(/(\/\S+)/g);
  for (const file of [path, ...[...libraries].map((match) => match[1] ?? "")]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
}

describe("volumes", () => {
  it("files change all at once for their readers, sub-paths never, modes and groups are theirs", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const set = (text: string) => [
      {
        name: "conf",
        type: "files" as const,
        memory: false,
        files: [
          { path: "a", mode: 0o640, data: Buffer.from(text), secret: false },
          { path: "dir/b", mode: 0o400, data: Buffer.from(text), secret: false },
        ],
      },
    ];
    const podUid = await bench.pod({ volumes: set("0"), fsGroup: 7777 });
    const ref = await bench.run(
      podUid,
      `M=${bench.directory}; n=0; while :; do cd $M/conf/..data/ 2>/dev/null && { a=$(cat a 2>/dev/null); b=$(cat dir/b 2>/dev/null); [ "$a" = "$b" ] || [ -z "$a" ] || [ -z "$b" ] || echo "mixed $a $b"; }; cd /; n=$((n+1)); [ $n = 1 ] && echo ready; done`,
      {
        mounts: [
          { volume: "conf", mountPath: `${bench.directory}/conf`, readOnly: false },
          { volume: "conf", mountPath: `${bench.directory}/one`, subPath: "a", readOnly: true },
        ],
      },
    );
    await until(async () => (await bench.log(ref)).length > 0, "the reader");
    for (let turn = 1; turn <= 20; turn++) await bench.runtime.updateVolumes(podUid, set(String(turn)), quiet);
    assert.equal(
      (
        await exec(
          bench,
          ref,
          "cat",
          `${bench.directory}/conf/a`,
          `${bench.directory}/conf/dir/b`,
          `${bench.directory}/one`,
        )
      ).out,
      "20200",
    );
    assert.deepEqual(await bench.log(ref), ["stdout F ready"]);
    const stat = await exec(
      bench,
      ref,
      "stat",
      "-L",
      "-c",
      "%a %g",
      `${bench.directory}/conf/a`,
      `${bench.directory}/conf/dir/b`,
    );
    assert.equal(stat.out, "640 7777\n440 7777\n");
    assert.match((await exec(bench, ref, "ls", "-la", `${bench.directory}/conf/`)).out, /\.\.data -> \.\.\d{4}_/);
  });

  it("what cannot be had is refused by name", async () => {
    await using bench = new ProcessBench({ hostPaths: ["/usr/share"] });
    await bench.open();
    const volume = { name: "h", type: "hostPath" as const, hostPathType: "" };
    await assert.rejects(
      bench.pod({ volumes: [{ ...volume, path: "/etc" }] }),
      refuses("Unsupported", "spec.volumes.hostPath.path"),
    );
    await assert.rejects(
      bench.pod({ volumes: [{ ...volume, path: "/usr/share/../../etc" }] }),
      refuses("Unsupported", "spec.volumes.hostPath.path"),
    );
    await assert.rejects(
      bench.pod({ volumes: [{ name: "c", type: "backend" }] }),
      refuses("Unsupported", "spec.volumes"),
    );
    await assert.rejects(
      bench.pod({ shareProcessNamespace: true }),
      refuses("Unsupported", "spec.shareProcessNamespace"),
    );
    const podUid = await bench.pod({ volumes: [{ name: "e", type: "emptyDir", medium: "" }] });
    symlinkSync("/etc", join(bench.config.stateDirectory, "node-a", "pods", podUid, "volumes", "e", "out"));
    for (const subPath of ["../x", "/etc", "out", "out/passwd"])
      await assert.rejects(
        bench.run(podUid, "true", { mounts: [{ volume: "e", mountPath: "/x", subPath, readOnly: false }] }),
        refuses("Invalid", "volumeMounts.subPath"),
        subPath,
      );
    await assert.rejects(bench.run(podUid, "true", { image: "unknown:1" }), (error) => isErrorKind(error, "NotFound"));
    await assert.rejects(
      bench.run(podUid, "true", { security: { runAsUser: 0 } }),
      refuses("Unsupported", "securityContext.runAsUser"),
    );
  });
});

describe("without namespaces", () => {
  it("a mount that cannot be at its path is refused", async () => {
    await using bench = new ProcessBench({ isolation: "none", hostPaths: ["/usr"] });
    await bench.open();
    const podUid = await bench.pod({
      volumes: [
        { name: "e", type: "emptyDir", medium: "" },
        { name: "h", type: "hostPath", path: "/usr", hostPathType: "" },
      ],
    });
    await assert.rejects(
      bench.run(podUid, "true", { mounts: [{ volume: "e", mountPath: "/data", readOnly: false }] }),
      refuses("Unsupported", "volumeMounts[e].mountPath"),
    );
    const ref = await bench.run(podUid, "ls /usr/bin >/dev/null && echo fine", {
      mounts: [{ volume: "h", mountPath: "/usr", readOnly: false }],
    });
    await bench.ended(ref);
    assert.deepEqual(await bench.log(ref), ["stdout F fine"]);
  });

  for (const cgroups of ["auto", "off"]) {
    it(`no process is left, not those in the background with a session of their own (cgroups ${cgroups})`, async () => {
      await using bench = new ProcessBench({ isolation: "none", cgroups });
      await bench.open();
      const podUid = await bench.pod();
      const daemon = `setsid sh -c 'echo in >>/dev/null; exec sleep 98765' </dev/null & sleep 98765 & echo ready`;
      const env = [{ name: "VKTEST", value: bench.directory }];
      const byItself = await bench.run(podUid, `${daemon}; sleep 0.3; exit 6`, { name: "ends", env });
      const stopped = await bench.run(podUid, `${daemon}; trap '' TERM; while :; do sleep 0.1; done`, {
        name: "stopped",
        env,
      });
      assert.equal((await bench.ended(byItself)).exitCode, 6);
      await until(async () => (await bench.log(stopped)).length > 0, "the other one");
      await bench.runtime.stopContainer(stopped, { gracePeriodSeconds: 0 }, quiet);
      assert.equal((await bench.container(stopped)).exitCode, 137);
      assert.deepEqual(
        bench.processes().map(({ command }) => command),
        [],
      );
    });
  }
});

describe("limits", () => {
  it("a container over its memory limit is OOMKilled, and figures come from its group", async () => {
    await using bench = new ProcessBench({ cgroups: "required" });
    await bench.open();
    const podUid = await bench.pod();
    const calm = await bench.run(podUid, "while :; do :; done", {
      name: "calm",
      resources: { limits: { cpu: "200m", memory: "64Mi" } },
    });
    const greedy = await bench.run(podUid, "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done", {
      resources: { limits: { memory: "20Mi" } },
    });
    const end = await bench.ended(greedy);
    assert.deepEqual([end.exitCode, end.reason], [137, "OOMKilled"]);
    await until(async () => {
      const figures = (await bench.runtime.stats(quiet)).containers.get(podUid)?.[0];
      return (figures?.cpu?.usageNanoCores ?? 0) > 0 && (figures?.memory?.workingSetBytes ?? 0) > 0;
    }, "figures");
    const rate = (await bench.runtime.stats(quiet)).containers.get(podUid)?.[0]?.cpu?.usageNanoCores ?? 0;
    assert.ok(rate < 400_000_000, `held to a fifth of a core: ${rate}`);
    await bench.runtime.updateResources(calm, { limits: { cpu: "500m", memory: "128Mi" } }, quiet);
  });
});

describe("terminals, attach, ephemeral containers", () => {
  it("a command in a terminal has its size from the first, and its changes", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "sleep 1000");
    let more: (size: TerminalSize) => void = () => {};
    const later = new Promise<TerminalSize>((resolve) => {
      more = resolve;
    });
    async function* sizes(): AsyncGenerator<TerminalSize> {
      yield { width: 100, height: 40 };
      yield await later;
    }
    const stdout = new PassThrough();
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const stdin = new PassThrough();
    const command = [
      "sh",
      "-c",
      "stty size; tty; trap 'stty size; exit 3' WINCH; echo set; while :; do sleep 0.05; done",
    ];
    const ending = bench.runtime.exec(ref, command, { tty: true, stdin, stdout, resize: sizes() }, quiet);
    await until(() => text.includes("set"), "the trap");
    more({ width: 77, height: 33 });
    assert.deepEqual(await ending, { exitCode: 3 });
    assert.match(text, /^40 100\r\n\/dev\/pts\/\d+\r\nset\r\n33 77\r\n$/);
  });

  it("a container with a terminal has one; who attaches sees what comes, types, and may leave", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "echo $TERM; while read line; do echo got $line; done", {
      tty: true,
      stdin: true,
    });
    await until(async () => (await bench.log(ref)).length > 0, "the first line");
    assert.deepEqual(await bench.log(ref), ["stdout F xterm\r"]);
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const attached = bench.runtime.attach(ref, { tty: true, stdin, stdout }, quiet);
    stdin.write("hello\n");
    await until(() => text.includes("got hello"), "the answer");
    stdin.end();
    await attached;
    assert.equal((await bench.container(ref)).state, "running");
    assert.ok(!text.includes("xterm"), "what was before is not shown again");
  });

  it("an input that is for once ends with its client's, and the output goes on to the end", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "cat; echo end of input; exit 4", { stdin: true, stdinOnce: true });
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const attached = bench.runtime.attach(ref, { tty: false, stdin, stdout }, quiet);
    stdin.end("all of it\n");
    await attached;
    assert.equal(text, "all of it\nend of input\n");
    assert.equal((await bench.ended(ref)).exitCode, 4);
  });

  it("an ephemeral container sees its target's processes, and ends with it", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod();
    const main = await bench.run(podUid, "exec sleep 4711");
    const debug = await bench.run(podUid, "tr '\\0' ' ' </proc/1/cmdline; echo; sleep 1000", {
      name: "debug",
      targetContainer: "main",
    });
    await until(async () => (await bench.log(debug)).length > 0, "its look");
    assert.deepEqual(await bench.log(debug), ["stdout F sleep 4711 "]);
    await bench.runtime.stopContainer(debug, { gracePeriodSeconds: 0 }, quiet);
    assert.equal((await bench.container(main)).state, "running");
    assert.equal((await bench.container(debug)).exitCode, 137);
  });

  it("stdout and stderr can be opened again by their names, by the container and by commands", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "echo one >/dev/stdout; echo two >/dev/stderr; sleep 1000");
    await until(async () => (await bench.log(ref)).length === 2, "both lines");
    assert.deepEqual(await exec(bench, ref, "sh", "-c", "echo three >/dev/stdout; cat /dev/null"), {
      out: "three\n",
      code: 0,
    });
  });
});

describe("what cannot be started", () => {
  it("says why, and counts as a run that ended", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod();
    const noDirectory = await bench.run(podUid, "true", { name: "dir", workingDir: "/no/such/place" });
    assert.equal((await bench.ended(noDirectory)).exitCode, 126);
    const noCommand = await bench.run(podUid, "", { name: "cmd", command: ["/no/such/program"] });
    assert.equal((await bench.ended(noCommand)).exitCode, 127);
    assert.match((await bench.log(noCommand)).join("\n"), /no\/such\/program/);
    await assert.rejects(
      bench.runtime.createContainer({ ...containerOf(podUid, ""), command: [], image: benchImage }, quiet),
      refuses("Invalid", "command"),
    );
  });
});
