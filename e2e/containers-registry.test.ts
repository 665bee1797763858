// Images from a registry that asks who one is: pull secrets, pull policies, and what users are told when an image is not to be
// had. Needs root on Linux, Debian's podman, docker-registry and apache2-utils.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { after, before, describe, it } from "node:test";
import { nodes, type Stored, secrets, serviceAccounts } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ContainerStatus, Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { startImageRegistry } from "./conformance/image-registry.ts";
import { type ContainersSemantics, startContainers } from "./containers.ts";
import { eventually } from "./harness.ts";

const [user, password] = ["reader", "a-secret-word"];

let group: ProcessGroup;
let bench: ContainersSemantics;
/** Of the registry. */
let host = "";

before(async () => {
  group = new ProcessGroup({ parent: tmpdir(), prefix: "vk-registry-" });
  host = (await startImageRegistry(group, { [user]: password })).address;
  bench = await startContainers({ registries: [host] });
  await publish("team/app:1");
  await secret("right", { [host]: [user, password] });
  await secret("wrong", { [host]: [user, "another-word"] });
});

after(async () => {
  try {
    await bench?.[Symbol.asyncDispose]();
  } finally {
    await group?.[Symbol.asyncDispose]();
  }
});

let built = 0;

/** A new image of its own under this name. */
async function publish(name: string): Promise<void> {
  const local = `registry.example/built:${++built}`;
  await bench.subject.podman.importImage(local, [`LABEL made=${local}`]);
  await bench.subject.podman.podman(
    ...["push", "--quiet", "--tls-verify=false", "--creds", `${user}:${password}`, local, `${host}/${name}`],
  );
  await bench.subject.podman.podman("rmi", local);
}

async function secret(name: string, logins: Readonly<Record<string, readonly [string, string]>>): Promise<void> {
  const auths = Object.fromEntries(
    Object.entries(logins).map(([registry, [username, word]]) => [registry, { username, password: word }]),
  );
  await bench.client.create(secrets, {
    metadata: { name, namespace: "default" },
    type: "kubernetes.io/dockerconfigjson",
    data: { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") },
  });
}

/** A pod of one container with this image. */
function run(name: string, image: string, policy: string, spec: Partial<PodSpec> = {}): Promise<Stored<Pod>> {
  const container = {
    ...{ name: "main", image, imagePullPolicy: policy },
    command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"],
  };
  return bench.run(name, { containers: [container], ...spec });
}

const withSecrets = (...names: readonly string[]): Partial<PodSpec> => ({
  imagePullSecrets: names.map((name) => ({ name })),
});

const main = (pod: Pod): ContainerStatus | undefined => pod.status?.containerStatuses?.[0];

/** The container's status once it runs. */
async function running(name: string): Promise<ContainerStatus> {
  const pod = await bench.until("runs", name, (seen) => main(seen)?.state?.running !== undefined);
  return main(pod) ?? assert.fail();
}

/** The message once it waits for this reason. */
async function waiting(name: string, reason: string): Promise<string> {
  const pod = await bench.until(`waits: ${reason}`, name, (seen) => main(seen)?.state?.waiting?.reason === reason);
  return main(pod)?.state?.waiting?.message ?? "";
}

describe("an image of a private registry", { concurrency: 4 }, () => {
  it("is had with the right secret, and shows by its digest in pod and node", async () => {
    await publish("team/shown:1");
    const image = `${host}/team/shown:1`;
    await run("right", image, "IfNotPresent", withSecrets("right"));
    const status = await running("right");
    assert.equal(status.image, image);
    assert.match(status.imageID, new RegExp(`^${host}/team/shown@sha256:[0-9a-f]{64}$`));
    await bench.untilEvent("right", new RegExp(`^Normal Pulling main: Pulling image "${image}"$`));
    await bench.untilEvent(
      "right",
      new RegExp(
        `^Normal Pulled main: Successfully pulled image "${image}" in [\\d.]+m?s \\([\\d.]+m?s including waiting\\)\\. Image size: \\d+ bytes\\.$`,
      ),
    );
    await eventually("the node tells of it", 30_000, async () => {
      const { items } = await bench.client.list(nodes, {});
      const images = items.flatMap(({ status: { images: found = [] } = {} }) => found);
      const ours = images.find(({ names = [] }) => names.includes(image));
      return ours?.names?.[0] === status.imageID && (ours.sizeBytes ?? 0) > 1_000_000;
    });
    await bench.remove("right");
  });

  it("is had with the one of several secrets that is right, and with those of the service account", async () => {
    await run("several", `${host}/team/app:1`, "Always", withSecrets("wrong", "absent", "right"));
    await bench.client.create(serviceAccounts, {
      metadata: { name: "puller", namespace: "default" },
      imagePullSecrets: [{ name: "right" }],
    });
    await run("account", `${host}/team/app:1`, "Always", { serviceAccountName: "puller" });
    await Promise.all(["several", "account"].map(running));
    await Promise.all(["several", "account"].map((name) => bench.remove(name)));
  });

  it("is not had with the wrong secret, and nothing shows the word", async () => {
    await run("wrong", `${host}/team/app:1`, "Always", withSecrets("wrong"));
    const message = await waiting("wrong", "ErrImagePull");
    assert.match(message, /unauthorized: authentication required/);
    const again = await waiting("wrong", "ImagePullBackOff");
    assert.equal(again, `Back-off pulling image "${host}/team/app:1": ErrImagePull: ${message}`);
    await bench.untilEvent("wrong", /^Warning Failed main: Failed to pull image .*unauthorized/);
    await bench.untilEvent("wrong", /^Warning Failed main: Error: ErrImagePull$/);
    await bench.untilEvent("wrong", /^Normal BackOff main: Back-off pulling image "[^"]*"$/);
    await bench.untilEvent("wrong", /^Warning Failed main: Error: ImagePullBackOff$/);
    const shown = [
      ...(await bench.events("wrong")),
      JSON.stringify(bench.last("wrong")),
      await bench.program.logTail(),
    ];
    assert.doesNotMatch(shown.join("\n"), /another-word/);
    await bench.remove("wrong");
  });

  it("is had as soon as its secret is there", async () => {
    await run("late", `${host}/team/app:1`, "Always", withSecrets("later"));
    assert.match(await waiting("late", "ErrImagePull"), /unauthorized/);
    await secret("later", { [host]: [user, password] });
    await running("late");
    await bench.remove("late");
  });

  it("is not there: which is told in the registry's words", async () => {
    await run("missing", `${host}/team/nothing:1`, "IfNotPresent", withSecrets("right"));
    assert.match(await waiting("missing", "ErrImagePull"), /manifest unknown/);
    await bench.remove("missing");
  });

  it("is here for a pod with the secret, and not for one without", async () => {
    await publish("team/guarded:1");
    const image = `${host}/team/guarded:1`;
    await run("first", image, "IfNotPresent", withSecrets("right"));
    await running("first");
    await run("second", image, "IfNotPresent", withSecrets("right"));
    await running("second");
    await bench.untilEvent(
      "second",
      /^Normal Pulled main: Container image "[^"]*" already present on machine and can be accessed by the pod$/,
    );
    await run("stranger", image, "IfNotPresent");
    assert.match(await waiting("stranger", "ErrImagePull"), /unauthorized/);
    await run("resting-stranger", image, "Never");
    assert.equal(
      await waiting("resting-stranger", "ErrImageNeverPull"),
      `Container image "${image}" is not present with pull policy of Never`,
    );
    await run("resting", image, "Never", withSecrets("right"));
    await running("resting");
    const all = ["first", "second", "stranger", "resting-stranger", "resting"];
    await Promise.all(all.map((name) => bench.remove(name)));
  });

  it("is looked for anew by the policy Always alone", async () => {
    await publish("team/moving:1");
    const image = `${host}/team/moving:1`;
    await run("old", image, "Always", withSecrets("right"));
    const old = await running("old");
    await publish("team/moving:1");
    await run("same", image, "IfNotPresent", withSecrets("right"));
    assert.equal((await running("same")).imageID, old.imageID);
    await run("new", image, "Always", withSecrets("right"));
    assert.notEqual((await running("new")).imageID, old.imageID);
    assert.equal(main(bench.last("old"))?.imageID, old.imageID);
    await Promise.all(["old", "same", "new"].map((name) => bench.remove(name)));
  });
});

describe("an image without a registry", { concurrency: 4 }, () => {
  it("that is on the node runs with every policy but Always", async () => {
    const [image = ""] = bench.subject.images;
    for (const policy of ["IfNotPresent", "Never"]) await run(`here-${policy.toLowerCase()}`, image, policy);
    for (const policy of ["ifnotpresent", "never"]) {
      assert.equal((await running(`here-${policy}`)).image, image);
      await bench.remove(`here-${policy}`);
    }
  });

  it("shows in the pod by the name that the engine has for it", async () => {
    const [full = ""] = bench.subject.images;
    await run("short", full.slice(full.indexOf("/") + 1), "IfNotPresent");
    const status = await running("short");
    assert.deepEqual([status.image, status.restartCount], [full, 0]);
    await bench.untilEvent("short", /^Normal Pulled main: Container image "host:1" already present on machine/);
    await bench.remove("short");
  });

  it("that is not is not asked for with Never", async () => {
    await run("never", "registry.example/nothing:1", "Never");
    await waiting("never", "ErrImageNeverPull");
    await bench.untilEvent("never", /^Warning ErrImageNeverPull main: .* is not present with pull policy of Never$/);
    await bench.untilEvent("never", /^Warning Failed main: Error: ErrImageNeverPull$/);
    await bench.remove("never");
  });

  it("whose name is none is told as such", async () => {
    await run("invalid", "Team//App", "IfNotPresent");
    assert.match(
      await waiting("invalid", "InvalidImageName"),
      /^Failed to apply default image tag "Team\/\/App": couldn't parse/,
    );
    await bench.untilEvent("invalid", /^Warning InspectFailed main: Failed to apply default image tag/);
    await bench.untilEvent("invalid", /^Warning Failed main: Error: InvalidImageName$/);
    await bench.remove("invalid");
  });
});
