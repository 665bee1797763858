// Writes e2e/dev-traffic/*.json: what kubectl asks of a real control plane for the commands below, by way of a proxy that listens
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

interface Command {
  readonly args: readonly string[];
  readonly input?: string;
  /** Of sed, which is the editor. */
  readonly edit?: string;
}

const command = (line: string, more: Omit<Command, "args"> = {}): Command => ({ args: line.split(" "), ...more });
const apply = (document: object, ...more: readonly string[]): Command => ({
  args: ["apply", ...more, "-f", "-"],
  input: JSON.stringify(document),
});

const meta = (name: string, more: object = {}): object => ({ metadata: { name, ...more } });
const deployment = (image: string): object => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  ...meta("web"),
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: {
        containers: [
          {
            name: "main",
            image,
            ports: [{ containerPort: 80 }],
            env: [{ name: "A", value: "1" }],
            resources: { requests: { cpu: "0.1", memory: "1024Ki" } },
            readinessProbe: { httpGet: { port: 80 } },
            volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
          },
        ],
        volumes: [
          { name: "scratch", emptyDir: {} },
          { name: "own", configMap: { name: "settings" } },
        ],
      },
    },
  },
});
const map = (value: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  ...meta("shared"),
  data: { value, other: "x" },
});
const node = { apiVersion: "v1", kind: "Node", ...meta("n1", { labels: { zone: "a" } }) };
const pod = (name: string, spec: object = {}): object => ({
  apiVersion: "v1",
  kind: "Pod",
  ...meta(name, { labels: { app: name } }),
  spec: { containers: [{ name: "c", image: "example.com/app" }], ...spec },
});
const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "example.com/app:1" }] } };
const others: readonly object[] = [
  { apiVersion: "batch/v1", kind: "Job", ...meta("once"), spec: { template } },
  {
    apiVersion: "batch/v1",
    kind: "CronJob",
    ...meta("nightly"),
    spec: { schedule: "0 3 * * *", jobTemplate: { spec: { template } } },
  },
  {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    ...meta("db"),
    spec: {
      serviceName: "db",
      selector: { matchLabels: { app: "db" } },
      template: {
        metadata: { labels: { app: "db" } },
        spec: { containers: [{ name: "c", image: "example.com/db:1" }] },
      },
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    ...meta("agent"),
    spec: {
      selector: { matchLabels: { app: "agent" } },
      template: {
        metadata: { labels: { app: "agent" } },
        spec: { containers: [{ name: "c", image: "example.com/agent:1" }] },
      },
    },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    ...meta("web"),
    spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    ...meta("closed"),
    spec: { podSelector: {} },
  },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", ...meta("high"), value: 100 },
  {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    ...meta("web"),
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 },
  },
];

const commands: readonly Command[] = [
  command("version"),
  command("api-resources --api-group=apps"),
  command("api-versions"),
  command("explain pod.spec.containers"),
  apply(deployment("example.com/app:1")),
  apply(deployment("example.com/app:1")),
  { args: ["diff", "-f", "-"], input: JSON.stringify(deployment("example.com/app:2")) },
  apply(deployment("example.com/app:2")),
  apply({ ...deployment("example.com/app:2"), spec: { replica: 1 } }),
  apply(deployment("example.com/app:3"), "--dry-run=server"),
  apply(deployment("example.com/app:3"), "--dry-run=client"),
  command("get deployments"),
  command("get deployment web -o yaml"),
  command("get deployments -o wide -l app=none"),
  command("describe deployment web"),
  command("edit deployment web", { edit: "s/replicas: 2/replicas: 3/" }),
  command("scale deployment/web --replicas=1"),
  command("scale deployment/web --replicas=1 --current-replicas=7"),
  command("set image deployment/web main=example.com/app:4"),
  command("set env deployment/web B=2"),
  command("set resources deployment/web --limits=cpu=1"),
  command("rollout pause deployment/web"),
  command("rollout resume deployment/web"),
  command("rollout history deployment/web"),
  command("label deployment web tier=front"),
  command("label deployment web tier=back"),
  command("annotate deployment web note=x"),
  command("expose deployment web --port=80"),
  command("get services -o wide"),
  command("describe service web"),
  apply(map("1"), "--server-side"),
  apply(map("2"), "--server-side"),
  apply(map("3"), "--server-side", "--field-manager=other"),
  apply(map("3"), "--server-side", "--field-manager=other", "--force-conflicts"),
  command("create configmap settings --from-literal=a=1"),
  command("create configmap settings --from-literal=a=1"),
  command("create configmap Wrong --from-literal=a=1"),
  command("create secret generic hidden --from-literal=a=1"),
  command("get secrets,configmaps"),
  command('patch configmap settings --type=merge -p {"data":{"b":"2"}}'),
  command('patch configmap settings --type=json -p [{"op":"remove","path":"/data/b"}]'),
  command('patch configmap settings --type=json -p [{"op":"remove","path":"/data/none"}]'),
  command("create serviceaccount robot"),
  command("create token robot"),
  command("create role reader --verb=get,list --resource=pods"),
  command("create rolebinding readers --role=reader --serviceaccount=default:robot"),
  command("create clusterrole watcher --verb=watch --resource=nodes"),
  command("get roles,rolebindings -o wide"),
  command("describe rolebinding readers"),
  command("auth can-i get pods --as=system:serviceaccount:default:robot"),
  command("auth can-i delete pods --as=system:serviceaccount:default:robot"),
  command("auth whoami"),
  command("create namespace other"),
  command("get namespaces --show-labels"),
  command("create quota q --hard=pods=1 -n other"),
  command("delete quota q -n other"),
  command("create poddisruptionbudget web --selector=app=web --min-available=1"),
  command("create poddisruptionbudget web2 --selector=app=web"),
  command("get pdb"),
  apply(node),
  command("get nodes -o wide"),
  command("describe node n1"),
  command("cordon n1"),
  command("uncordon n1"),
  command("taint node n1 a=b:NoSchedule"),
  command("taint node n1 a-"),
  command("run single --image=example.com/app:1 --restart=Never"),
  apply(pod("plain")),
  apply(pod("placed", { nodeName: "n1", terminationGracePeriodSeconds: 1 })),
  apply(
    pod("twice", {
      containers: [
        { name: "c", image: "x" },
        { name: "c", image: "y" },
      ],
    }),
  ),
  apply(pod("wrong", { restartPolicy: "Sometimes" })),
  apply(pod("plain", { containers: [{ name: "c", image: "example.com/app", env: [{ name: "NEW", value: "1" }] }] })),
  command("get pods"),
  command("get pods -o wide --show-labels"),
  command("get pods -A --field-selector spec.nodeName=n1"),
  command("get pods --sort-by=.metadata.name --chunk-size=2"),
  command("get pod plain -o jsonpath={.spec.containers[0].image}"),
  command("get pod none"),
  command("get nothing"),
  command("describe pod plain"),
  command("logs plain"),
  command("exec plain -- true"),
  command("set image pod/plain c=example.com/app:9"),
  command("wait pod/plain --for=jsonpath={.status.phase}=Pending --timeout=5s"),
  { args: ["replace", "-f", "-"], input: JSON.stringify(pod("none")) },
  ...others.map((each) => apply(each)),
  command("get jobs,cronjobs,statefulsets,daemonsets,ingresses,networkpolicies,priorityclasses,hpa"),
  command("create job hand --from=cronjob/nightly"),
  command("create job made --image=example.com/app:1"),
  command("create cronjob never --image=example.com/app:1 --schedule=often"),
  // In default, the API server may tell of its own Service.
  command("events -n kube-public"),
  command("get events -n kube-public"),
  command("get all"),
  command("delete pod plain --wait=false"),
  command("delete pod placed --wait=false"),
  command("delete pods -l app=placed --force --grace-period=0 --wait=false"),
  command("delete deployment web --wait=false"),
  command("delete configmaps --all --dry-run=server --wait=false"),
  command("delete job once --cascade=orphan --wait=false"),
  command("delete service web"),
  command("delete service none"),
  command("delete namespace other --wait=false"),
  command("get namespace other"),
  // By an older version of its group, for an older kubectl.
  command("autoscale statefulset db --max=4 --name=other"),
];

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
      child.stdin?.end(input ?? "");
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
