// What pods refer to, as the processes of their containers see it: files that change under them, tokens that work and are
// renewed, and objects that come later than the pod. Needs root on Linux.
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { configMaps, secrets } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { createProcessProvider } from "../packages/virtual-kubelet/src/providers/process/process-provider.ts";
import { patience } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { eventually, throughout } from "./harness.ts";
import { jumpingClock } from "./jumping-clock.ts";
import { base64 } from "./resolving-node.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

let semantics: ProcessSemantics;
/** A Node.js that any user may run. */
let node: string;

before(async () => {
  semantics = await startProcesses();
  node = join(semantics.subject.bench.directory, "node");
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
});
after(() => semantics?.[Symbol.asyncDispose]());

const namespace = "default";
const configMap = (name: string, data: Readonly<Record<string, string>>): Promise<unknown> =>
  semantics.harness.client.create(configMaps, { metadata: { name, namespace }, data });
const secret = (name: string, stringData: Readonly<Record<string, string>>): Promise<unknown> =>
  semantics.harness.client.create(secrets, { metadata: { name, namespace }, stringData });
const words = (name: string): readonly string[] => semantics.stamps(name).map(({ what }) => what);
const wait = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/** Where the volume of a pod's own token is. */
const account = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Asks the API server, each time the token is another one, who that makes it; writes down what it answered. */
function asking(pod: string, tokenFile = `${account}/token`): string {
  const program = `
    const { readFileSync, appendFileSync } = require("node:fs");
    const { request } = require("node:https");
    const ca = readFileSync(process.env.CA);
    const ask = (token, then) => request(process.env.API + "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      ca, method: "POST", headers: { authorization: "Bearer " + token, "content-type": "application/json" },
    }, (response) => {
      let text = "";
      response.on("data", (part) => { text += part; });
      response.on("end", () => then(response.statusCode, text));
    }).on("error", (error) => then(0, String(error))).end('{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}');
    const say = (what) => appendFileSync(process.env.STAMPS, Date.now() + "000000 " + what.replaceAll(" ", "_") + "\\n");
    let before = "";
    setInterval(() => {
      let token;
      try { token = readFileSync(process.env.TOKEN, "utf8"); } catch (error) { token = String(error); }
      if (token === before) return;
      before = token;
      ask(token, (status, text) => {
        const { username, extra = {} } = status === 201 ? JSON.parse(text).status.userInfo : { username: text };
        say(JSON.stringify([status, username, extra["authentication.kubernetes.io/pod-uid"]?.[0]]));
      });
    }, 100);
    process.on("SIGTERM", () => process.exit(0));`;
  const env = { API: semantics.harness.cluster.server, STAMPS: semantics.stampFile(pod), TOKEN: tokenFile };
  const exports = Object.entries({ ...env, CA: `${account}/ca.crt` }).map(
    ([name, value]) => `export ${name}='${value}'`,
  );
  return `${exports.join("\n")}\nexec ${node} -e '${program.replaceAll("'", String.raw`'\''`)}'`;
}

const waiting = ({ status }: Pod): { readonly reason?: string; readonly message?: string } =>
  status?.containerStatuses?.[0]?.state?.waiting ?? {};

describe("what processes have of the cluster's objects", { concurrency: true, timeout: 900_000 }, () => {
  it("changed ConfigMaps and Secrets are in the files within a minute; environment and subPath stay as they were", async () => {
    const name = "changing";
    const at = (path: string): string => join(semantics.subject.bench.directory, name, path);
    await configMap(name, { text: "one" });
    await secret(name, { word: "eins" });
    const script = `
      while :; do
        now="$(cat ${at("conf")}/text)/$(cat ${at("hidden")}/word)/$(cat ${at("single")})/$TEXT/$WORD"
        [ "$now" = "$seen" ] || { at "$now"; seen=$now; }
        sleep 0.1
      done`;
    await semantics.run(name, {
      containers: [
        semantics.container(name, "main", script, {
          env: [
            { name: "TEXT", valueFrom: { configMapKeyRef: { name, key: "text" } } },
            { name: "WORD", valueFrom: { secretKeyRef: { name, key: "word" } } },
          ],
          volumeMounts: [
            { name: "conf", mountPath: at("conf") },
            { name: "hidden", mountPath: at("hidden") },
            { name: "conf", mountPath: at("single"), subPath: "text" },
          ],
        }),
      ],
      volumes: [
        { name: "conf", configMap: { name } },
        { name: "hidden", secret: { secretName: name } },
      ],
    });
    await eventually("the first contents", patience, () => words(name).length > 0);
    assert.deepEqual(words(name), ["one/eins/one/one/eins"]);
    const began = Date.now();
    await semantics.harness.client.patchMeta(configMaps, { namespace, name }, "merge", { data: { text: "two" } });
    await semantics.harness.client.patchMeta(secrets, { namespace, name }, "merge", { data: { word: base64("zwei") } });
    const last = "two/zwei/one/one/eins";
    const seen = await eventually("the new contents", 60_000, () =>
      semantics.stamps(name).find(({ what }) => what === last),
    );
    assert.ok(seen.at - began < 60_000, `after ${seen.at - began} ms`);
    // Whoever reads has the old or the new, and always all of it.
    for (const word of words(name)) assert.match(word, /^(one|two)\/(eins|zwei)\/one\/one\/eins$/);
    assert.equal(words(name).at(-1), last);
    await semantics.remove(name);
    semantics.assertHistory(
      name,
      `? Pending init | main:waiting(ContainerCreating)
       ? Pending sandbox init | main:waiting(ContainerCreating)
       Running sandbox init ready | main:running+ready
       ? Running sandbox init | main:exited(137,Error)
       Failed init | main:exited(137,Error)
       gone`,
    );
  });

  const users: readonly (readonly [string, string, Partial<Pod["spec"]>, string])[] = [
    ["the image's own user", "image-user", {}, "65534/644/0/0"],
    ["a user of the pod", "pod-user", { securityContext: { runAsUser: 4321 } }, "4321/600/4321/0"],
    ["a group of the pod", "pod-group", { securityContext: { fsGroup: 5432 } }, "65534/640/0/5432"],
  ];
  for (const [who, name, spec, owned] of users)
    it(`the token in the pod's volume makes it its ServiceAccount: as ${who}`, async () => {
      const look = `at "$(id -u)/$(stat -L -c %a/%u/%g ${account}/token)/$(cat ${account}/namespace)"`;
      const main = semantics.container(name, "main", `${look}\n${asking(name)}`);
      const pod = await semantics.run(name, { ...spec, containers: [main] });
      await eventually("an answer", patience, () => words(name).length === 2);
      const uid = pod.metadata.uid;
      assert.deepEqual(words(name), [
        `${owned}/default`,
        JSON.stringify([201, "system:serviceaccount:default:default", uid]),
      ]);
      await semantics.remove(name);
    });

  it("a new token is in the file before the old one ends, and works as well", async () => {
    const name = "renewing";
    const provider = await createProcessProvider({
      ...{ node: name, operatingSystem: "linux", log: silentLogger, internalIP: "127.0.0.1" },
      config: semantics.subject.bench.config,
    });
    const about = {
      name,
      provider: { name: "process", version: "1" },
      kubeletVersion: "v1.36.3",
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    };
    const clock = jumpingClock();
    const kubelet = await semantics.harness.kubelet([{ virtual: { node: about, provider } }], { clock });
    try {
      const tokens = join(semantics.subject.bench.directory, name);
      const main = semantics.container(name, "main", asking(name, `${tokens}/token`), {
        volumeMounts: [{ name: "tokens", mountPath: tokens }],
      });
      const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 600 } }];
      const pod = await semantics.run(name, {
        ...{ nodeName: name, containers: [main], volumes: [{ name: "tokens", projected: { sources } }] },
      });
      await eventually("a token", patience, () => words(name).length === 1);
      for (const before of [1, 2]) {
        // Due after 480 s of its 600, up to 10 s earlier.
        clock.jump(400_000);
        await throughout("it is kept while it is fresh", 1500, () => words(name).length === before);
        clock.jump(80_000);
        await eventually("another token", patience, () => words(name).length === before + 1);
      }
      const { uid } = pod.metadata;
      const good = JSON.stringify([201, "system:serviceaccount:default:default", uid]);
      assert.deepEqual([...new Set(words(name))], [good]);
      await semantics.remove(name);
      // Its last report is kept for a moment longer.
      const kept = join(semantics.subject.bench.config.stateDirectory, name, "pods");
      await eventually("nothing of it is kept", patience, () => readdirSync(kept).length === 0);
    } finally {
      await kubelet.stop();
      await provider[Symbol.asyncDispose]?.();
    }
  });

  it("a Secret in the environment that comes after the pod is waited for by its container alone, and starts it at once", async () => {
    const name = "late-key";
    const env = [{ name: "KEY", valueFrom: { secretKeyRef: { name, key: "key" } } }];
    await semantics.run(name, {
      initContainers: [semantics.container(name, "first", "true")],
      containers: [
        semantics.container(name, "main", `at "$KEY"\n${wait}`, { env }),
        semantics.container(name, "other", wait),
      ],
    });
    const lacks = await semantics.until(
      "says what it lacks",
      name,
      (pod) => waiting(pod).reason === "CreateContainerConfigError",
    );
    assert.equal(waiting(lacks).message, `secret "${name}" not found`);
    await semantics.untilEvent(name, /^Warning MandatorySecretNotFound main: .*late-key/);
    await semantics.untilEvent(name, /^Warning Failed main: Error: secret "late-key" not found$/);
    await semantics.until("the other runs", name, ({ status }) => status?.containerStatuses?.[1]?.ready === true);
    await startsWith(name, { key: "there" }, "there");
    await semantics.remove(name);
    const waitingAll = (container: string): string => `${container}:waiting(PodInitializing)`;
    const [before, initializing, other] = ["first", "main", "other"].map(waitingAll);
    const first = "first:exited(0,Completed)+ready";
    semantics.assertHistory(
      name,
      `? Pending | ${before} ${initializing} ${other}
       ? Pending sandbox | ${before} ${initializing} ${other}
       ? Pending sandbox | first:running+started ${initializing} ${other}
       ? Pending sandbox init | ${first} ${initializing} ${other}
       ? Pending sandbox init | ${first} main:waiting(CreateContainerConfigError) ${other}
       ? Pending sandbox init | ${first} ${initializing} other:running+ready
       Pending sandbox init | ${first} main:waiting(CreateContainerConfigError) other:running+ready
       ? Pending sandbox init | ${first} ${initializing} other:running+ready
       Running sandbox init ready | ${first} main:running+ready other:running+ready
       ? Running sandbox init | ${first} main:exited(0,Completed) other:running+ready
       ? Running sandbox init | ${first} main:running+ready other:exited(0,Completed)
       ? Running sandbox init | ${first} main:exited(0,Completed) other:exited(0,Completed)
       Succeeded init | ${first} main:exited(0,Completed) other:exited(0,Completed)
       gone`,
    );
  });

  it("a container that is started again has the environment of that time", async () => {
    const name = "anew";
    await configMap(name, { text: "one" });
    const env = [{ name: "TEXT", valueFrom: { configMapKeyRef: { name, key: "text" } } }];
    const script = `at "$TEXT"; [ "$TEXT" = two ] || { sleep 2; exit 1; }\n${wait}`;
    await semantics.run(name, { containers: [semantics.container(name, "main", script, { env })] });
    await eventually("the first start", patience, () => words(name).length > 0);
    await semantics.harness.client.patchMeta(configMaps, { namespace, name }, "merge", { data: { text: "two" } });
    await eventually("the new environment", patience, () => words(name).at(-1) === "two");
    await semantics.remove(name);
  });

  it("variables come from a file that an init container wrote, and wait for one that is not whole yet", async () => {
    const name = "env-file";
    const dir = join(semantics.subject.bench.directory, name);
    const key = (key: string, optional?: true) => ({
      valueFrom: { fileKeyRef: { volumeName: "dir", path: "made/env", key, ...(optional && { optional }) } },
    });
    const volumeMounts = [{ name: "dir", mountPath: dir }];
    await semantics.run(name, {
      initContainers: [
        semantics.container(name, "writes", `mkdir ${dir}/made; echo "A='one'" > ${dir}/made/env`, { volumeMounts }),
      ],
      containers: [
        semantics.container(name, "main", `at "$A/$B/$C/\${D-none}"\n${wait}`, {
          env: [
            { name: "A", ...key("A") },
            { name: "B", value: "<$(A)>" },
            { name: "C", ...key("B") },
            { name: "D", ...key("D", true) },
          ],
        }),
        semantics.container(name, "other", `sleep 2; echo "B='two'" >> ${dir}/made/env\n${wait}`, { volumeMounts }),
      ],
      volumes: [{ name: "dir", emptyDir: {} }],
    });
    await semantics.untilEvent(
      name,
      /^Warning Failed main: Error: environment variable key "B" not found in file "made\/env"$/,
    );
    await eventually("all keys are there", patience, () => words(name).length > 0);
    assert.deepEqual(words(name), ["one/<one>/two/none"]);
    await semantics.remove(name);
  });

  it("a Secret of a volume that comes after the pod is waited for, and starts it at once", async () => {
    const name = "late-volume";
    const mountPath = join(semantics.subject.bench.directory, name);
    const main: Container = semantics.container(name, "main", `at "$(cat ${mountPath}/key)"\n${wait}`, {
      volumeMounts: [{ name: "late", mountPath }],
    });
    await semantics.run(name, { containers: [main], volumes: [{ name: "late", secret: { secretName: name } }] });
    await semantics.untilEvent(
      name,
      /^Warning FailedMount: MountVolume\.SetUp failed for volume "late" : secret "late-volume" not found$/,
    );
    await semantics.until("is held", name, (pod) => waiting(pod).reason === "ContainerCreating");
    await startsWith(name, { key: "here" }, "here");
    await semantics.remove(name);
    semantics.assertHistory(
      name,
      `Pending init | main:waiting(ContainerCreating)
       ? Pending sandbox init | main:waiting(ContainerCreating)
       Running sandbox init ready | main:running+ready
       ? Running sandbox init | main:exited(0,Completed)
       Succeeded init | main:exited(0,Completed)
       gone`,
    );
  });
});

/** Makes the Secret; the container writes this down soon, and no sooner. */
async function startsWith(name: string, data: Readonly<Record<string, string>>, word: string): Promise<void> {
  const began = Date.now();
  await secret(name, data);
  const [first] = await eventually("it runs", patience, () => {
    const stamps = semantics.stamps(name);
    return stamps.length > 0 && stamps;
  });
  assert.equal(first?.what, word);
  // Ten seconds would be the next look of a kubelet at its pods.
  assert.ok(first.at >= began && first.at - began < 9500, `after ${first.at - began} ms`);
  await semantics.until("runs", name, ({ status }) => status?.phase === "Running");
}
