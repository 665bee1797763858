// Pods on ACI that leave their command to the image: a real registry, over TLS and with a password, says it. Needs Debian's
// docker-registry and apache2-utils.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { type PodRequest, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority, eventually, MemoryGroups, resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";
import { createAciProvider } from "../packages/provider-aci/src/aci-provider.ts";
import { Https } from "../packages/virtual-kubelet/src/cloud/https.ts";
import { ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { AciWorld } from "./cloud/aci-world.ts";
import { startImageRegistry } from "./conformance/image-registry.ts";

const [user, password] = ["reader", "a-secret-word"];
const repository = "team/app";
const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const context = { signal: AbortSignal.timeout(300_000), log: silentLogger };

const parts = new AsyncDisposableStack();
let world: AciWorld;
let host = "";
let caFile = "";
let https: Https;

before(async () => {
  const group = parts.use(new ProcessGroup({ parent: tmpdir(), prefix: "vk-aci-images-" }));
  world = parts.use(await AciWorld.start(new MemoryGroups(), "runs"));
  const authority = createAuthority("registry-ca");
  const issued = authority.issue({ commonName: "registry", ipAddresses: ["127.0.0.1"], dnsNames: ["localhost"] });
  const files = { certificate: join(group.directory, "tls.pem"), key: join(group.directory, "tls.key") };
  caFile = join(group.directory, "ca.pem");
  await writeFile(files.certificate, issued.certificate);
  await writeFile(files.key, issued.key, { mode: 0o600 });
  await writeFile(caFile, authority.certificate);
  https = parts.use(new Https({ ca: authority.certificate }));
  host = (await startImageRegistry(group, { [user]: password }, files)).address;
  await publish({ Entrypoint: ["/server", "--listen"], Cmd: [":80"], WorkingDir: "/srv" });
});

after(() => parts.disposeAsync());

/** An image without layers, by the registry's own protocol. */
async function publish(config: object): Promise<void> {
  const blob = JSON.stringify({ architecture: "amd64", os: "linux", config, rootfs: { type: "layers", diff_ids: [] } });
  const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}`;
  const base = `https://${host}/v2/${repository}`;
  const headers = { authorization };
  const signal = context.signal;
  const upload = await https.call({ method: "POST", url: `${base}/blobs/uploads/`, headers, signal });
  const { location } = upload.headers;
  assert.ok(upload.status === 202 && typeof location === "string", upload.text);
  const put = await https.call({
    ...{ method: "PUT", url: `${location}&digest=${digest}`, body: blob, signal },
    headers: { ...headers, "content-type": "application/octet-stream" },
  });
  assert.equal(put.status, 201, put.text);
  const type = "application/vnd.oci.image.manifest.v1+json";
  const mediaType = "application/vnd.oci.image.config.v1+json";
  const body = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: type, layers: [] },
    config: { mediaType, digest, size: Buffer.byteLength(blob) },
  });
  const made = await https.call({
    ...{ method: "PUT", url: `${base}/manifests/1`, body, signal, headers: { ...headers, "content-type": type } },
  });
  assert.equal(made.status, 201, made.text);
}

it("an ordinary pod runs with arguments, a working directory and names of hosts", async () => {
  const provider = await createAciProvider(
    {
      ...{ node: "vk", cluster: "c", operatingSystem: "linux", clusterDomain: "cluster.local", log: silentLogger },
      ...{ daemonEndpointPort: 10_250, config: { ...world.config, imageLookups: { caFile } } },
    },
    context,
  );
  try {
    const yaml = `
kind: Pod
metadata: {name: ordinary}
spec:
  hostAliases: [{ip: 10.0.0.9, hostnames: [db]}]
  initContainers: [{name: prepare, image: "${host}/${repository}:1", args: [migrate]}]
  containers: [{name: main, image: "${host}/${repository}:1", workingDir: /data}]
`;
    const [request] = resolvedRequests(yaml, { node: "vk", cluster: "c" });
    const { resolved } = request ?? {};
    assert.ok(request !== undefined && resolved !== undefined);
    const login = (word: string): PodRequest => ({
      ...request,
      resolved: { ...resolved, imageCredentials: [{ registry: host, username: user, password: word }] },
    });
    await assert.rejects(provider.createPod(login("another-word"), context), {
      ...{ kind: "Unavailable", reason: "ErrImagePull", field: "spec.initContainers[0].image" },
      message: /^what image "127\.0\.0\.1:\d+\/team\/app:1" runs .*: unauthorized: authentication required$/,
    });
    assert.deepEqual(world.fake.groups.all, []);
    await provider.createPod(login(password), context);
    const { properties } = await eventually("the group is there", 10_000, async () => world.fake.groups.all[0]?.body);
    const init = properties.initContainers?.[0]?.properties.command ?? [];
    assert.deepEqual(init.slice(3), ["sh", "/server", "--listen", "migrate"]);
    const [shell, , script, ...command] = properties.containers[0]?.properties.command ?? [];
    assert.deepEqual([shell, ...command], ["/bin/sh", "sh", "/server", "--listen", ":80"]);
    assert.match(script ?? "", /10\.0\.0\.9\tdb[\s\S]*>>\/etc\/hosts[\s\S]*cd '?\/data'?[\s\S]*exec "\$@"$/);
  } finally {
    await provider[Symbol.asyncDispose]?.();
  }
});
