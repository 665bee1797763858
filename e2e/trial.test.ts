// `virtual-kubelet trial` and the sub-commands for who has no kubectl, as a newcomer types them; and that nothing stays.
import assert from "node:assert/strict";
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";
import { type Outcome, outcome, TrialHome, type TrialRun } from "./trial-process.ts";

/** What is told where nobody said which cluster is meant. */
const ofTrial = /^Of the trial that runs at https:\S+; --kubeconfig FILE is for another cluster\.$/m;
const kubeconfigOf = (run: TrialRun): string => /export KUBECONFIG=(\S+)/.exec(run.output)?.[1] ?? "";
/** What kubectl and ours have in common; ages change while one looks. */
const withoutAges = (text: string): string => text.replaceAll(/\b(\d+[smh])+\b/g, "AGE").replaceAll(/ +/g, " ");

describe("a trial", () => {
  const home = new TrialHome();
  let run: TrialRun;
  let kubectlPath: string;
  const kubectl = (...args: string[]): Promise<Outcome> =>
    outcome(kubectlPath, args, { ...home.environment, KUBECONFIG: kubeconfigOf(run) });

  before(async () => {
    kubectlPath = await findKubectl();
    run = home.trial();
    await run.says(/deployment\/sample-web 3\/3 available/);
  });
  after(async () => {
    using _ = home;
    await run?.[Symbol.asyncDispose]();
  });

  test("says what it does, how long that took, and lines that work", async () => {
    assert.match(run.output, /control plane in this process \(for trials, not for production\)/);
    assert.match(run.output, /Kubernetes 1\.\d+\.\d+ API at https:\/\/127\.0\.0\.1:\d+ after \d+/);
    assert.match(run.output, /Virtual node vk-1 is Ready after /);
    await run.says(/The pods of sample-web run, [\d.]+ m?s after the start/);
    await run.says(/pod\/sample-web-\S+ Running, 1\/1 ready, 10\.\S+ \([\d.]+ m?s after it was bound\)/);
    const [, view = ""] = /In a browser: (http:\S+)\n/.exec(run.output) ?? [];
    assert.match(await (await fetch(view)).text(), /<title>Virtual Kubelet<\/title>/);
    const typed = [...run.output.matchAll(/^ {2}(kubectl .+)$/gm)].map(([, line = ""]) => line.split(" ").slice(1));
    assert.ok(typed.length >= 6, run.output);
    for (const args of typed) {
      if (args.includes("-it") || args.includes("-f")) continue;
      const { code, stderr } = await kubectl(...args);
      assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    }
    await eventually("ten replicas", 20_000, () => /sample-web 10\/10 available/.test(run.output));
  });

  test("its files are for this user alone", () => {
    const files = globSync("{.local/state/virtual-kubelet/trials/*,virtual-kubelet-*/*.{kubeconfig,yaml,log}}", {
      cwd: home.directory,
    });
    assert.equal(files.length, 4, files.join());
    for (const file of files) assert.equal(statSync(join(home.directory, file)).mode & 0o077, 0, file);
  });

  const asKubectl: readonly (readonly string[])[] = [
    ["get", "po", "-o", "wide"],
    ["get", "nodes"],
    ["get", "pods,deployments,jobs"],
    ["get", "deployment/sample-web", "job/sample-job"],
    ["get", "pods", "-A", "-l", "app=sample-job", "--no-headers"],
    ["get", "pods", "-o", "name", "--field-selector", "status.phase=Running"],
    ["get", "leases", "-A"],
    ["get", "pods", "nope"],
    ["get", "pods", "-n", "nowhere"],
  ];
  for (const args of asKubectl) {
    test(`${args.join(" ")}: as kubectl`, async () => {
      await eventually("the same", 15_000, async () => {
        const [ours, theirs] = await Promise.all([home.run(...args), kubectl(...args)]);
        assert.equal(withoutAges(ours.stdout), withoutAges(theirs.stdout));
        assert.equal(ours.stderr.replace(ofTrial, "").trim(), theirs.stderr.trim());
        assert.equal(ours.code, theirs.code);
        return true;
      });
    });
  }

  test("objects as JSON and YAML are kubectl's", async () => {
    await run.says(/job\/sample-job 4\/4 succeeded/);
    for (const args of [
      ["get", "job", "sample-job", "-o", "json"],
      ["get", "jobs", "-o", "json"],
    ]) {
      await eventually(`the same of ${args.join(" ")}`, 15_000, async () => {
        const [ours, theirs] = await Promise.all([home.run(...args), kubectl(...args)]);
        assert.deepEqual(JSON.parse(ours.stdout), JSON.parse(theirs.stdout));
        return true;
      });
    }
    const yaml = await home.run("get", "node", "vk-1", "-o", "yaml");
    assert.match(yaml.stdout, /^apiVersion: v1$/m);
    assert.match(yaml.stdout, /^kind: Node$/m);
  });

  test("logs: the same bytes as kubectl's, by tail, with times, of the run before; -f goes on", async () => {
    const pod = (await home.run("get", "pods", "-l", "app=sample-job", "-o", "name")).stdout.split("\n")[0] ?? "";
    for (const more of [["--tail=1", "--timestamps"], ["-p"]]) {
      const [ours, theirs] = await Promise.all([home.run("logs", pod, ...more), kubectl("logs", pod, ...more)]);
      assert.equal(ours.stdout, theirs.stdout);
      assert.match(ours.stdout, /\S/);
    }
    await using follow = home.onTerminal("logs", "-f", "deployment/sample-web");
    await follow.says(/Found \d+ pods, using pod\/sample-web-\S+\s+starting web/);
    await follow.says(/request 1: [\s\S]*request 2: /);
    follow.type("\u0003");
    assert.equal(await follow.code(), 130);
  });

  test("why: finds the trial as well", async () => {
    const pod = (await home.run("get", "pods", "-l", "app=sample-web", "--no-headers")).stdout.split(" ")[0] ?? "";
    const told = await home.run("why", pod);
    assert.match(told.stdout, /runs and is ready/);
    assert.match(told.stderr, ofTrial);
    assert.match((await home.run("why", "sample-web")).stderr, /name one of its pods, such as sample-web-\S+$/m);
  });

  test("doctor: of the trial's cluster and of its node", async () => {
    const { code, stdout, stderr } = await home.run("doctor");
    assert.match(stdout, /node vk-1 is ours, and a program runs it/);
    assert.match(stderr, ofTrial);
    assert.equal(code, 0, stdout);
  });

  test("exec: output apart, input to its end, the command's exit code", async () => {
    const failed = await home.run("exec", "deployment/sample-web", "--", "sh", "-c", "echo out; echo err >&2; exit 7");
    assert.deepEqual([failed.code, failed.stdout], [7, "out\n"]);
    assert.match(failed.stderr, /^err\ncommand terminated with exit code 7$/m);
    assert.match(failed.stderr, ofTrial);
    const text = "line\n".repeat(50_000);
    const cat = await home.runWith({}, text, "exec", "-i", "deployment/sample-web", "--", "cat");
    assert.deepEqual([cat.code, cat.stdout === text], [0, true]);
    const ended = await home.run("exec", "job/sample-job", "--", "ls");
    assert.match(ended.stderr, /^error: cannot exec into a container in a completed pod; current phase is Succeeded$/m);
    assert.equal(ended.code, 1);
  });

  test("exec -it: a terminal, its size, and the exit code", async () => {
    await using shell = home.onTerminal("exec", "-it", "deployment/sample-web", "--", "sh");
    await shell.says(/\$ $/);
    shell.type("echo typed\r");
    await shell.says(/\r\ntyped\r/);
    shell.type("exit 9\r");
    assert.equal(await shell.code(), 9, shell.output);
  });

  test("get -w goes on with changes", async () => {
    await using watch = home.onTerminal("get", "pods", "-w");
    await watch.says(/NAME +READY +STATUS/);
    await kubectl("run", "watched", "--image=example.com/watched:1");
    await watch.says(/watched +1\/1 +Running/);
    await kubectl("delete", "pod", "watched");
    await watch.says(/watched +\d\/1 +Terminating/);
    watch.type("\u0003");
    assert.equal(await watch.code(), 130);
  });

  test("wrong usage that only the server knows: code 2, what is wrong, and where help is", async () => {
    for (const [args, message] of [
      [["get", "podz"], /the server doesn't have a resource type "podz" \(did you mean pods\?\)/],
      [["logs", "configmap/kube-root-ca.crt"], /a ConfigMap has no pods/],
    ] as const) {
      const { code, stderr, stdout } = await home.run(...args);
      assert.match(stderr, message);
      assert.match(stderr, /Try "virtual-kubelet .*--help"\.$/m);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    }
  });

  test("a kubeconfig that is named goes before the trial, and one at home after it, with a word", async () => {
    const config = join(home.directory, ".kube/config");
    mkdirSync(join(home.directory, ".kube"), { recursive: true });
    const nowhere = { name: "c", cluster: { server: "https://127.0.0.1:1" } };
    const context = { name: "c", context: { cluster: "c", user: "u" } };
    const user = { name: "u", user: { token: "secret-token" } };
    writeFileSync(
      config,
      JSON.stringify({ clusters: [nowhere], contexts: [context], users: [user], "current-context": "c" }),
    );
    const found = await home.run("get", "nodes");
    assert.match(found.stdout, /vk-1/);
    assert.match(found.stderr, ofTrial);
    const own = await home.run("doctor", "--nodename", "vk-1", "--provider", "mock");
    assert.match(own.stdout, /config names https:\/\/127\.0\.0\.1:1$/m, "who names a node means their own cluster");
    for (const outcome of [
      await home.run("get", "nodes", "--kubeconfig", config),
      await home.runWith({ KUBECONFIG: config }, "", "get", "nodes"),
    ]) {
      assert.match(outcome.stderr, /^error: the API server: no connection to 127\.0\.0\.1:1: .*ECONNREFUSED/);
      assert.doesNotMatch(outcome.stderr, /secret-token|runs at/);
      assert.equal(outcome.code, 1);
    }
  });

  test("Ctrl-C ends it and leaves nothing; then the sub-commands say that there is no cluster", async () => {
    const kubeconfig = kubeconfigOf(run);
    assert.ok(existsSync(kubeconfig));
    await run.end();
    assert.deepEqual(home.leftovers(), []);
    assert.ok(!existsSync(join(home.directory, ".local/state/virtual-kubelet")));
    const { code, stderr } = await home.runWith({ HOME: join(home.directory, "empty") }, "", "get", "pods");
    assert.match(stderr, /^error: no cluster: .*virtual-kubelet trial/);
    assert.equal(code, 1);
  });
});

describe("how a trial ends", () => {
  const home = new TrialHome();
  after(() => home[Symbol.dispose]());

  test("on a terminal: a live view, until Ctrl-C is typed", async () => {
    await using run = home.onTerminal("trial", "--nodes", "3");
    await run.says(/3 virtual nodes are Ready/);
    await run.says(/sample-web {2}\S*3\/3 available[\s\S]*POD +STATUS +READY +RESTARTS +AGE +TO RUNNING[\s\S]*EVENTS/);
    await run.says(/from bound to Running: median \d/);
    // The last view may be on its way.
    await eventually("all nodes in one view", 20_000, () => {
      const view = run.output.slice(run.output.lastIndexOf("node/vk-1 "));
      return /node\/vk-2 .*\n*node\/vk-3 /s.test(view);
    });
    run.type("\u0003");
    assert.equal(await run.code(), 0, run.output);
    assert.match(run.output, /Stopped, nothing is left/);
    assert.deepEqual(home.leftovers(), []);
  });

  test("when nobody reads its output any more, and by SIGTERM", async () => {
    await using unread = home.trial();
    await using told = home.trial();
    await unread.says(/3\/3 available/);
    unread.child.stdout?.destroy();
    assert.equal(await unread.code(), 0);
    await told.says(/3\/3 available/);
    assert.equal(home.leftovers().length, 3);
    await told.end("SIGTERM");
    assert.deepEqual(home.leftovers(), []);
  });

  test("when its terminal is closed", async () => {
    await using run = home.onTerminal("trial");
    await run.says(/3\/3 available/);
    assert.equal(home.leftovers().length, 3);
    run.child.kill("SIGKILL");
    await eventually("nothing is left", 10_000, () => home.leftovers().length === 0);
  });

  test("killed, it leaves a file that nobody heeds", async () => {
    await using run = home.trial();
    await run.says(/3\/3 available/);
    run.child.kill("SIGKILL");
    await run.code();
    assert.match((await home.run("get", "pods")).stderr, /^error: no cluster: /);
    assert.deepEqual(
      home.leftovers().filter((file) => file.startsWith(".local")),
      [],
    );
  });

  test("--directory: the cluster is there again", async () => {
    const directory = join(home.directory, "kept");
    for (const replicas of [3, 5]) {
      await using run = home.trial("--directory", directory);
      await run.says(new RegExp(`sample-web ${replicas}/${replicas} available`));
      const env = { ...home.environment, KUBECONFIG: kubeconfigOf(run) };
      await outcome(await findKubectl(), ["scale", "deployment", "sample-web", "--replicas=5"], env);
      await run.says(/sample-web 5\/5 available/);
      await run.end();
    }
  });

  test("without an engine it says so at once", async () => {
    await using run = home.trial("--provider", "containers", "--engine", `unix://${home.directory}/none.sock`);
    assert.equal(await run.code(), 1);
    assert.match(run.output, /error: the container engine at unix:\S+none\.sock cannot be reached: connect ENOENT/);
    assert.match(run.output, /Is Docker or Podman running\? --engine says where/);
  });

  test("--provider process: real processes, none of which is left", async () => {
    await using run = home.trial("--provider", "process");
    await run.says(/sample-web 3\/3 available/);
    const log = await eventually("a second line", 20_000, async () => {
      const found = await home.run("logs", "deployment/sample-web");
      return / 1 seconds/.test(found.stdout) && found;
    });
    const [, pod = "nothing"] = /^(sample-web-\S+): 0 seconds$/m.exec(log.stdout) ?? [];
    assert.match(log.stdout, /: 1 seconds$/m);
    const processes = (): number =>
      globSync("/proc/[0-9]*/environ").filter((file) => {
        try {
          return readFileSync(file, "utf8").includes(`HOSTNAME=${pod}\0`);
        } catch {
          return false;
        }
      }).length;
    assert.ok(processes() > 0);
    await run.end();
    assert.equal(processes(), 0);
  });

  test("--provider containers: pods in the engine, none of which is left", async () => {
    await using bench = await PodmanBench.start();
    await using run = home.trial("--provider", "containers", "--engine", bench.endpoint, "--image", benchImage);
    await run.says(/sample-web 3\/3 available/);
    await eventually("a second line", 20_000, async () =>
      /^sample-web-\S+: 1 seconds$/m.test((await home.run("logs", "deployment/sample-web")).stdout),
    );
    assert.ok((await bench.containers()).length >= 6);
    await run.end();
    assert.deepEqual(await bench.containers(), []);
  });
});
