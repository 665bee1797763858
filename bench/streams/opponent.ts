// The Go project's HTTP server as a kubelet of its own: built from its pinned module, started on loopback, and told to the API server as
// the address of a Node that nobody runs.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type KubeClient, nodes } from "@virtual-kubelet/virtual-kubelet";
import type { ControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { cacheDirectory, cachedOrBuilt } from "../../packages/virtual-kubelet/src/testing/go-build.ts";
import { createAuthority } from "../../packages/virtual-kubelet/src/testing/pki.ts";

export interface Opponent extends AsyncDisposable {
  readonly pid: number;
  /** Version of the Go module. */
  readonly version: string;
}

const folder = join(import.meta.dirname, "opponent");

/** Starts it with a log of that many bytes and registers the Node. `http2`: it offers HTTP/2, which the Go project's programs do not. */
export async function startOpponent(
  client: KubeClient,
  plane: ControlPlane,
  options: { readonly node: string; readonly bytes: number; readonly http2?: boolean },
): Promise<Opponent> {
  const { node, bytes, http2 = false } = options;
  const [goMod, main] = await Promise.all(["go.mod", "main.go"].map((name) => readFile(join(folder, name), "utf8")));
  const digest = createHash("sha256").update(`${goMod}\0${main}`).digest("hex").slice(0, 12);
  const program = await cachedOrBuilt(
    {
      title: "the Go opponent",
      package: ".",
      module: folder,
      file: join(cacheDirectory(process.env), "peers", `opponent-${digest}`, "opponent"),
    },
    { onProgress: (line) => console.error(line) },
  );
  const pair = createAuthority(node).issue({ commonName: node, ipAddresses: ["127.0.0.1"], usages: ["server"] });
  const [cert, key] = ["crt", "key"].map((end) => join(plane.directory, `${node}.${end}`));
  if (cert === undefined || key === undefined) throw new Error("no files");
  await writeFile(cert, pair.certificate);
  await writeFile(key, pair.key, { mode: 0o600 });
  const child = spawn(program, ["-cert", cert, "-key", key, "-bytes", String(bytes), `-http2=${http2}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [address]: unknown[] = await once(createInterface(child.stdout), "line");
  await register(client, node, Number(/\d+$/.exec(String(address))?.[0]));
  return {
    pid: child.pid ?? 0,
    version: /virtual-kubelet\/virtual-kubelet (v\S+)/.exec(goMod ?? "")?.[1] ?? "",
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function register(client: KubeClient, name: string, port: number): Promise<void> {
  await client.create(nodes, { metadata: { name } });
  await client.patch(
    nodes,
    { name },
    "merge",
    {
      status: {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    },
    { subresource: "status" },
  );
}
