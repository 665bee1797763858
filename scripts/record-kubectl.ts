// Writes e2e/dev-traffic/*.json: what kubectl asks of a real control plane for recorded-commands.ts, by way of a proxy that listens
// in. `node --conditions=source scripts/record-kubectl.ts`, again for other commands or another kubectl; needs Go the first time.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asker, KnownObjects, type RecordedRequest } from "../e2e/dev-traffic.ts";
import { findPeer } from "../e2e/peers.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { commands } from "./recorded-commands.ts";

const upstream = await startControlPlane({ controllers: false });
await using cluster = upstream;
const folder = join(import.meta.dirname, "../e2e/dev-traffic");
const scratch = mkdtempSync(join(tmpdir(), "record-kubectl-"));
try {
  await record("kubectl-1.32", await findKubectl());
} finally {
  rmSync(scratch, { recursive: true });
}
await cluster.stop();
{
  await using second = await startControlPlane({ controllers: false });
  await record("kubectl-1.36", await findPeer("kubectl-1.36"), second);
}

async function record(name: string, program: string, plane: typeof upstream = upstream): Promise<void> {
  const requests: RecordedRequest[] = [];
  const seen = new Set<string>();
  const known = new KnownObjects();
  const ask = asker(plane);
  let line = "";
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = await incoming.toArray();
    const bytes = Buffer.concat(chunks);
    const header = (of: "accept" | "content-type"): string => incoming.headers[of] ?? "";
    const isText = !header("content-type").includes("protobuf");
    const body = isText ? bytes.toString() : `base64:${bytes.toString("base64")}`;
    const asked = { method: incoming.method ?? "GET", path: incoming.url ?? "/", contentType: header("content-type") };
    const accept = header("accept");
    const { code, body: answer } = await ask({ ...asked, accept: withoutProtobuf(accept), body });
    const entry = { command: line, ...asked, accept: withoutProtobuf(accept), body: known.abstract(body) };
    known.see(asked.path, answer);
    const isDocument =
      /^\/(openapi|apis?|version)(\/|\?|$)/.test(asked.path) &&
      asked.path.split("/").length < 6 &&
      asked.method === "GET";
    const same = JSON.stringify({ ...entry, command: "" });
    const isKept = !/[?&]watch=(1|true)/.test(asked.path) && !(isDocument && seen.has(same));
    seen.add(same);
    if (isKept) requests.push(entry);
    const said = typeof answer === "string" ? answer : JSON.stringify(answer);
    const type = typeof answer === "string" ? "text/plain" : contentTypeOf(accept);
    response.writeHead(code, { "content-type": type }).end(said);
  };
  const server = createServer((incoming, response) => {
    if (/[?&]watch=(1|true)/.test(incoming.url ?? ""))
      return void response.writeHead(200, { "content-type": "application/json" }).end();
    serve(incoming, response).catch((error: unknown) => response.writeHead(502).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  for (const { args, input, edit } of commands) {
    line = args.join(" ");
    const env = { ...process.env, KUBECACHEDIR: join(scratch, name), KUBE_EDITOR: `sed -i '${edit ?? ""}'` };
    const target = ["--kubeconfig", "/dev/null", "--server", `http://127.0.0.1:${address.port}`];
    const [code, said] = await new Promise<[number, string]>((settle) => {
      const child = execFile(program, [...target, ...args], { env, timeout: 30_000 }, (error, stdout, stderr) =>
        settle([error === null ? 0 : 1, `${stdout}${stderr}`]),
      );
      child.stdin?.end(known.concrete(input ?? ""));
    });
    console.log(`${name} ${line}: ${code} ${said.split("\n")[0]}`);
  }
  server.close();
  server.closeAllConnections();
  const file = join(folder, `${name}.json`);
  writeFileSync(file, `${JSON.stringify({ requests }, undefined, 2)}\n`);
  console.log(`${requests.length} requests in ${file}`);
}

function withoutProtobuf(accept: string): string {
  return accept
    .split(",")
    .filter((each) => !each.includes("protobuf") && !each.includes("cbor"))
    .join(",");
}

function contentTypeOf(accept: string): string {
  const aggregated = accept.split(",").find((each) => each.includes("g=apidiscovery.k8s.io"));
  return aggregated ?? "application/json";
}
