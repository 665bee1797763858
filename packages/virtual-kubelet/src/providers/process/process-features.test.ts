// What pods ask of containers, done by processes of the host. Needs root on Linux.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { isErrorKind } from "../../errors.ts";
import { benchImage, containerOf, ProcessBench, quiet, refuses, until } from "../../testing/process-bench.ts";

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
      (await bench.exec(ref, "sh", "-c", "tr '\\0' '|' </proc/self/environ")).out,
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
      assert.deepEqual((await bench.container(ref)).user, { uid: 1234, gid: 4321, supplementalGroups: [] });
      const lines = (await bench.log(ref)).filter((line) => line.startsWith("stdout"));
      assert.deepEqual(
        lines.map((line) => line.slice(9)),
        ["1234", "4321", "/home/app image", "/work", "new", "denied", "none", "1"],
      );
      assert.deepEqual(await bench.exec(ref, "sh", "-c", "id -u; pwd; cat /run/secrets/f"), {
        out: "1234\n/work\nnew\n",
        code: 0,
      });
      assert.equal(existsSync(join(root, "work")), false, "the image is left as it was");
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });

  it("has terminals with names, its user's own", async () => {
    const root = mkdtempSync(join(tmpdir(), "vk-root-"));
    try {
      for (const path of ["/bin/sh", "/usr/bin/tty", "/usr/bin/sleep"]) addProgram(root, path);
      await using bench = new ProcessBench({ images: { "registry.example/root:*": { root } } });
      await bench.open();
      const shell = "tty; echo by its name >$(tty); echo by ours >/dev/tty";
      const ref = await bench.run(await bench.pod(), `${shell}; sleep 1000`, {
        ...{ image: "registry.example/root:1", tty: true, security: { runAsUser: 1234 } },
      });
      await until(async () => (await bench.log(ref)).length >= 3, "all lines");
      assert.deepEqual(await bench.log(ref), ["stdout F /dev/pts/0\r", "stdout F by its name\r", "stdout F by ours\r"]);
      const stdout = new PassThrough();
      let text = "";
      stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      await bench.runtime.exec(ref, ["sh", "-c", shell], { tty: true, stdout }, quiet);
      assert.equal(text, "/dev/pts/1\r\nby its name\r\nby ours\r\n");
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
        await bench.exec(
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
    const stat = await bench.exec(
      ref,
      "stat",
      "-L",
      "-c",
      "%a %g",
      `${bench.directory}/conf/a`,
      `${bench.directory}/conf/dir/b`,
    );
    assert.equal(stat.out, "640 7777\n440 7777\n");
    assert.match((await bench.exec(ref, "ls", "-la", `${bench.directory}/conf/`)).out, /\.\.data -> \.\.\d{4}_/);
  });

  it("a file for one user is that user's alone, and mount points that are made can be walked through", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const data = Buffer.from("token");
    const files = [{ path: "token", mode: 0o600, uid: 4242, data, secret: true }];
    const podUid = await bench.pod({ volumes: [{ name: "t", type: "files", memory: true, files }] });
    const mounts = [{ volume: "t", mountPath: `${bench.directory}/made/for/it`, readOnly: true }];
    for (const [uid, exitCode] of [
      [4242, 0],
      [4243, 1],
    ] as const) {
      const ref = await bench.run(podUid, `cat ${bench.directory}/made/for/it/token`, {
        ...{ name: `u${uid}`, mounts, security: { runAsUser: uid } },
      });
      assert.equal((await bench.ended(ref)).exitCode, exitCode, (await bench.log(ref)).join());
    }
  });

  it("files in emptyDir volumes are read as they are, and nothing that they lead to", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const file = { path: "f", mode: 0o644, data: Buffer.from("f"), secret: false };
    const podUid = await bench.pod({
      volumes: [
        { name: "e", type: "emptyDir", medium: "" },
        { name: "c", type: "files", memory: false, files: [file] },
      ],
    });
    const at = (path: string): string =>
      join(bench.config.stateDirectory, "node-a", "pods", podUid, "volumes", "e", path);
    mkdirSync(at("sub"));
    writeFileSync(at("sub/env"), "A='é'\n");
    writeFileSync(at("large"), Buffer.alloc(1024 * 1024 + 1));
    symlinkSync("/etc/passwd", at("link"));
    symlinkSync("/etc", at("out"));
    execFileSync("mkfifo", [at("pipe")]);
    const read = (volume: string, path: string): Promise<Uint8Array> =>
      bench.runtime.readVolumeFile(podUid, volume, path, quiet);
    assert.equal(Buffer.from(await read("e", "./sub//env")).toString(), "A='é'\n");
    const table = [
      ["e", "none", "NotFound"],
      ["e", "sub/none", "NotFound"],
      ["e", "none/env", "NotFound"],
      ["e", "sub/env/x", "NotFound"],
      ["e", "sub", "Invalid"],
      ["e", "link", "Invalid"],
      ["e", "pipe", "Invalid"],
      ["e", "large", "Invalid"],
      ["e", "../../pod.json", "Invalid"],
      ["e", "", "Invalid"],
      ["c", "f", "Invalid"],
      ["none", "f", "Invalid"],
    ] as const;
    for (const [volume, path, kind] of table)
      await assert.rejects(read(volume, path), (error) => isErrorKind(error, kind), `${volume} ${path}`);
    // Never what is behind it, whichever word the system has for that.
    await assert.rejects(read("e", "out/passwd"), (error) => isErrorKind(error, "Invalid", "NotFound"));
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
