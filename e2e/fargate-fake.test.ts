// The fake of ECS with real containers behind it: the provider's backend runs a pod on it, and AWS's own client has a session there.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { openSsmSession } from "../packages/provider-fargate/src/ssm/open-session.ts";
import { FakeEcs } from "../packages/provider-fargate/src/testing/fake-ecs.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { createAuthority } from "../packages/virtual-kubelet/src/testing/pki.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { FargateBench } from "./fargate-bench.ts";
import { eventually } from "./harness.ts";
import { findPeer } from "./peers.ts";
import { benchImage, PodmanBench } from "./podman.ts";

// Built before anything has a deadline.
const client = await findPeer("session-manager-plugin");

/** A stream, and what was written to it so far. */
function collected(): readonly [Writable, () => string] {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return [stream, () => Buffer.concat(chunks).toString("utf8")];
}

describe("a pod on the fake of ECS", () => {
  let podman: PodmanBench;
  let groups: PodmanGroups;
  let fake: FakeEcs;
  let bench: FargateBench;

  before(async () => {
    podman = await PodmanBench.start();
    groups = new PodmanGroups(podman);
    fake = await FakeEcs.start({ runner: groups, clusters: ["pods"] });
    bench = new FargateBench(fake.endpoint);
  });

  after(async () => {
    await bench?.[Symbol.asyncDispose]();
    await fake?.[Symbol.asyncDispose]();
    await groups?.[Symbol.asyncDispose]();
    await podman?.[Symbol.asyncDispose]();
  });

  async function session(task: string, command: string): Promise<{ streamUrl: string; tokenValue: string }> {
    const answer = await bench.aws.executeCommand(
      { cluster: "pods", task, container: "web", interactive: true, command },
      bench.context,
    );
    const { streamUrl = "", tokenValue = "" } = answer.session ?? {};
    return { streamUrl, tokenValue };
  }

  it("runs really: init first, logs, commands in sessions, grace, and its codes", async () => {
    const script = 'cat /data/from-init; echo ready; trap "echo bye; exit 0" TERM; while :; do sleep 0.2; done';
    const request = bench.request("web", {
      volumes: [{ name: "data", emptyDir: {} }],
      initContainers: [
        {
          ...{ name: "init", image: benchImage, command: ["sh", "-c", "sleep 0.5; echo written > /data/from-init"] },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      containers: [
        {
          ...{ name: "web", image: benchImage, command: ["sh", "-c", script] },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
    });
    const { id } = await bench.backend.create(request, bench.context);
    assert.equal((await bench.backend.create(request, bench.context)).id, id, "once for a UID");
    const group = await bench.groupIs(id, "runs", ({ stage }) => stage === "running");
    const stateOf = (name: string) => group.containers.find((each) => each.name === name)?.state;
    assert.equal(stateOf("init")?.terminated?.exitCode, 0);
    assert.ok(stateOf("web")?.running !== undefined);
    assert.match(group.podIPs?.[0] ?? "", /^198\.1[89]\./);
    await eventually("the log is there", 10_000, async () => /written\n.*ready\n$/.test(await bench.log(group, "web")));

    const ran = async (command: readonly string[], input?: string): Promise<readonly [string, number | undefined]> => {
      const [stdout, text] = collected();
      const io = { stdout, tty: false, ...(input === undefined ? {} : { stdin: Readable.from([Buffer.from(input)]) }) };
      const result = await bench.backend.exec?.({ group, container: "web" }, command, io, bench.context);
      return [text(), result?.exitCode];
    };
    assert.deepEqual(await ran(["cat", "/data/from-init"]), ["written\n", 0]);
    assert.deepEqual(await ran(["sh", "-c", 'echo "$1"; exit 7', "x", "it's"]), ["it's\n", 7]);
    const lines = Array.from({ length: 2000 }, (_, index) => `line ${index}\n`).join("");
    assert.deepEqual(await ran(["wc", "-c"], lines), [`${lines.length}\n`, 0]);

    const { signal, log } = { signal: AbortSignal.timeout(30_000), log: silentLogger };
    const opened = await openSsmSession(await session(id, "/bin/sh"), { signal, log });
    await opened.resize({ width: 91, height: 33 });
    await opened.write(Buffer.from("stty size; exit\n"));
    assert.match(Buffer.concat(await Array.fromAsync(opened.output)).toString(), /33 91\r\n/);

    await bench.backend.remove(group, { gracePeriodSeconds: 5 }, bench.context);
    await eventually("the task has stopped", 20_000, () => fake.books.every(({ live }) => !live));
    const stopped = [...fake.tasks.all.values()].find(({ arn }) => arn === id);
    assert.equal(stopped?.containers.get("web")?.exitCode, 0, "TERM was heeded");
    assert.match(await bench.log(group, "web"), /bye/);
    assert.deepEqual(groups.ids, []);
    assert.deepEqual(fake.misuse, []);
  });

  it("reads new contents of its volumes, which it cannot change, and is attached to by its log", async () => {
    const request = bench.request("renewed", {
      terminationGracePeriodSeconds: 2,
      securityContext: { fsGroup: 2000 },
      containers: [
        {
          ...{
            name: "web",
            image: benchImage,
            command: ["sh", "-c", "while :; do cat /keys/token; echo; sleep 0.2; done"],
          },
          ...{ securityContext: { runAsUser: 1000, runAsGroup: 2000 } },
          volumeMounts: [{ name: "keys", mountPath: "/keys" }],
        },
      ],
      volumes: [{ name: "keys", secret: { secretName: "s", defaultMode: 0o440 } }],
    });
    const { id } = await bench.backend.create(request, bench.context);
    const group = await bench.groupIs(id, "runs", ({ stage }) => stage === "running");
    await eventually("the first token is read", 10_000, async () => /opensesame/.test(await bench.log(group, "web")));
    const ran = async (command: readonly string[]): Promise<readonly [string, number | undefined]> => {
      const [stdout, text] = collected();
      const result = await bench.backend.exec?.(
        { group, container: "web" },
        command,
        { stdout, tty: false },
        bench.context,
      );
      return [text(), result?.exitCode];
    };
    assert.notEqual((await ran(["sh", "-c", "echo x > /keys/token"]))[1], 0, "its own containers write nothing there");

    const stop = new AbortController();
    const [stdout, shown] = collected();
    const attached = bench.backend
      .attach?.({ group, container: "web" }, { stdout, tty: false }, { ...bench.context, signal: stop.signal })
      .catch(() => {});
    const file = (path: string, text: string) => ({ path, mode: 0o440, data: Buffer.from(text), secret: true });
    const files = [file("token", "abracadabra"), file("deep/token", "other")];
    const volumes = [{ name: "keys", type: "files" as const, memory: true, files }];
    await bench.backend.updateVolumes?.(group, request, volumes, bench.context);
    assert.deepEqual(await ran(["cat", "/keys/token", "/keys/deep/token"]), ["abracadabraother", 0]);
    assert.deepEqual(await ran(["ls", "-1", "/keys"]), ["deep\ntoken\n", 0], "what the Secret had before is gone");
    await eventually("attach shows it", 15_000, () => /^abracadabra$/m.test(shown()));
    stop.abort();
    await attached;
    assert.doesNotMatch(shown(), /Z /, "no times");
    await bench.backend.remove(group, { gracePeriodSeconds: 0 }, bench.context);
    await eventually("nothing runs", 20_000, () => groups.ids.length === 0);
    assert.deepEqual(fake.misuse, []);
  });

  it("has sessions that AWS's own client understands", async () => {
    const request = bench.request("own", {
      terminationGracePeriodSeconds: 2,
      containers: [{ name: "web", image: benchImage, command: ["sleep", "600"] }],
    });
    const { id } = await bench.backend.create(request, bench.context);
    const group = await bench.groupIs(id, "runs", ({ stage }) => stage === "running");
    const { streamUrl: StreamUrl, tokenValue: TokenValue } = await session(id, `/bin/sh -c 'read x; echo "got <$x>"'`);
    const response = JSON.stringify({ SessionId: "session", StreamUrl, TokenValue });
    // It wants a terminal.
    const command = `'${client}' "$RESPONSE" eu-west-1 StartSession`;
    const keys = {
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
      HOME: podman.directory,
    };
    const program = spawn("script", ["-qec", command, "/dev/null"], {
      env: { ...process.env, ...keys, RESPONSE: response },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = once(program, "exit");
    let said = "";
    program.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await eventually("the client has begun", 15_000, () => said.includes("Starting session"));
    program.stdin.write("hello\r");
    await exited;
    assert.match(said, /got <hello>/);
    const book = fake.exec.books.at(-1);
    assert.match(book?.clientVersion ?? "", /^1\.3\./);
    await bench.backend.remove(group, { gracePeriodSeconds: 0 }, bench.context);
    await eventually("nothing runs", 20_000, () => groups.ids.length === 0);
    assert.deepEqual(fake.misuse, []);
  });

  it("has sessions over TLS with an authority of one's own, as the program is told of it, and not without", async () => {
    const authority = createAuthority("clouds");
    const { certificate: cert, key } = authority.issue({ commonName: "aws", ipAddresses: ["127.0.0.1"] });
    const file = join(podman.directory, "clouds.pem");
    await writeFile(file, authority.certificate);
    await using safe = await FakeEcs.start({ runner: groups, clusters: ["pods"], tls: { key, cert } });
    assert.match(safe.exec.streamBase, /^wss:/);
    const main = join(import.meta.dirname, "fargate-exec-main.ts");
    const command = ["--conditions=source", main, safe.endpoint, "sh", "-c", "echo over TLS; exit 5"];
    const run = (env: NodeJS.ProcessEnv): Promise<readonly [number | string | null | undefined, string]> => {
      const { promise, resolve } = Promise.withResolvers<readonly [number | string | null | undefined, string]>();
      execFile(process.execPath, command, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
        resolve([error?.code ?? 0, stdout + stderr]),
      );
      return promise;
    };
    assert.deepEqual(await run({ NODE_EXTRA_CA_CERTS: file }), [5, "over TLS\n"]);
    assert.equal(safe.exec.books.length, 1);
    const [code, said] = await run({});
    assert.equal(code, 1);
    assert.match(said, /unable to verify|self-signed|issuer certificate/);
    assert.equal(safe.books.length, 1);
    assert.deepEqual(safe.misuse, []);
  });
});
