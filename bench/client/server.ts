// A TLS server in a process of its own that answers GET with a pod of about 5 KB and PATCH with it or its metadata, over
// HTTP/2 and 1.1. Prints its address and authority as one line of JSON; ends with its standard input.
import { createSecureServer } from "node:http2";
import { createAuthority } from "../../packages/virtual-kubelet/src/testing/pki.ts";

const metadata = {
  name: "web-0",
  namespace: "default",
  uid: "5f0c2c6e-4a3b-4f5e-9d0f-1f3c1a2b3c4d",
  resourceVersion: "123456",
  labels: Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`label-${i}.example.com/name`, `value-${i}`])),
  managedFields: Array.from({ length: 3 }, (_, i) => ({
    manager: `manager-${i}`,
    fieldsV1: Object.fromEntries(Array.from({ length: 14 }, (_, k) => [`f:field-${k}`, { "f:inner": {} }])),
  })),
};
const container = {
  name: "main",
  image: "registry.example.com/team/web:1.2.3",
  env: Array.from({ length: 20 }, (_, i) => ({ name: `VARIABLE_${i}`, value: `value of the variable ${i}` })),
  resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } },
  volumeMounts: [{ name: "token", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }],
};
const status = {
  phase: "Running",
  podIP: "10.1.2.3",
  containerStatuses: [{ name: "main", ready: true, restartCount: 0 }],
};
const pod = Buffer.from(
  JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [container], nodeName: "n" }, status }),
);
const partial = Buffer.from(JSON.stringify({ apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata }));

const authority = createAuthority("bench-ca");
const issued = authority.issue({ commonName: "bench", ipAddresses: ["127.0.0.1"] });
const server = createSecureServer(
  { cert: issued.certificate, key: issued.key, allowHTTP1: true, settings: { maxConcurrentStreams: 100 } },
  (request, response) => {
    request.resume();
    request.on("end", () => {
      const body = request.headers.accept?.includes("PartialObjectMetadata") === true ? partial : pod;
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.end(body);
    });
  },
);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  console.log(JSON.stringify({ url: `https://127.0.0.1:${port}`, ca: authority.certificate, podBytes: pod.length }));
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
