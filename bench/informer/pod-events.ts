// Watch events of pods as a busy cluster sends them: two containers, a sidecar, probes, volumes, conditions, three field managers.

/** One line of a watch, about 7 KB. `version` is the resource version and changes the status. */
export function podEvent(type: "ADDED" | "MODIFIED", index: number, version: number): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object: pod(index, version) })}\n`);
}

export function initialEnd(version: number): Buffer {
  const metadata = { resourceVersion: String(version), annotations: { "k8s.io/initial-events-end": "true" } };
  return Buffer.from(`${JSON.stringify({ type: "BOOKMARK", object: { kind: "Pod", apiVersion: "v1", metadata } })}\n`);
}

const hex = (n: number, length: number): string => n.toString(16).padStart(length, "0");

function pod(index: number, version: number): object {
  const name = `web-${hex(index * 2654435761, 10).slice(-10)}-${hex(index, 5)}`;
  const uid = `${hex(index, 8)}-7f1c-4a43-9d53-${hex(index * 40503, 12)}`;
  const time = (second: number): string => new Date(1_790_000_000_000 + (index + second) * 1000).toISOString();
  const ip = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  const image = (app: string): string => `registry.example.com/shop/${app}:v1.${version % 40}.2`;
  const mount = { name: "kube-api-access", readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" };
  const container = (app: string): object => ({
    name: app,
    image: image(app),
    args: ["--listen=:8080", `--shard=${index % 64}`, "--log-format=json"],
    ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
    env: [
      { name: "POD_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } },
      { name: "POD_IP", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "status.podIP" } } },
      { name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: `${app}-database`, key: "url" } } },
      { name: "REGION", value: "eu-central-1" },
    ],
    resources: { limits: { cpu: "500m", memory: "256Mi" }, requests: { cpu: "100m", memory: "128Mi" } },
    volumeMounts: [{ name: "config", mountPath: "/etc/app" }, mount],
    livenessProbe: {
      httpGet: { path: "/healthz", port: "http", scheme: "HTTP" },
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    },
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: "IfNotPresent",
    securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  });
  const containerStatus = (app: string): object => ({
    name: app,
    state: { running: { startedAt: time(4) } },
    lastState: {},
    ready: true,
    restartCount: version % 3,
    image: image(app),
    imageID: `registry.example.com/shop/${app}@sha256:${hex(index, 64)}`,
    containerID: `containerd://${hex(index * 31, 64)}`,
    started: true,
  });
  const condition = (type: string): object => ({
    type,
    status: "True",
    observedGeneration: 1,
    lastProbeTime: null,
    lastTransitionTime: time(5),
  });
  const fields = (names: readonly string[]): object =>
    Object.fromEntries(names.map((field) => [`f:${field}`, { ".": {}, "f:type": {}, "f:status": {} }]));
  const manager = (who: string, subresource: string | undefined, fieldsV1: object): object => ({
    manager: who,
    operation: "Update",
    apiVersion: "v1",
    time: time(5),
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource === undefined ? {} : { subresource }),
  });
  const managed = (app: string): object => ({
    [`k:{"name":"${app}"}`]: fields(["args", "env", "image", "imagePullPolicy", "livenessProbe", "name", "ports"]),
  });
  return {
    kind: "Pod",
    apiVersion: "v1",
    metadata: {
      name,
      generateName: "web-5d4f8c7b9-",
      namespace: `team-${index % 40}`,
      uid,
      resourceVersion: String(version),
      generation: 1,
      creationTimestamp: time(0),
      labels: {
        "app.kubernetes.io/name": "web",
        "app.kubernetes.io/part-of": "shop",
        "pod-template-hash": "5d4f8c7b9",
      },
      annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080", "checksum/config": hex(index, 64) },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: "web-5d4f8c7b9",
          uid: "0d1f1b1e-5c0b-4a0f-8a53-0123456789ab",
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [
        manager("kube-controller-manager", undefined, {
          "f:metadata": fields(["annotations", "generateName", "labels", "ownerReferences"]),
          "f:spec": { "f:containers": { ...managed("web"), ...managed("proxy") }, ...fields(["dnsPolicy", "volumes"]) },
        }),
        manager("kubelet", "status", {
          "f:status": {
            ...fields(["containerStatuses", "hostIP", "hostIPs", "phase", "podIP", "podIPs", "startTime"]),
            "f:conditions": fields(["ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready"]),
          },
        }),
        manager("istiod", undefined, { "f:metadata": { "f:annotations": fields(["sidecar.istio.io/status"]) } }),
      ],
    },
    spec: {
      volumes: [
        { name: "config", configMap: { name: "web-config", defaultMode: 420 } },
        {
          name: "kube-api-access",
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
              { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
              {
                downwardAPI: {
                  items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
                },
              },
            ],
            defaultMode: 420,
          },
        },
      ],
      containers: [container("web"), container("proxy")],
      restartPolicy: "Always",
      terminationGracePeriodSeconds: 30,
      dnsPolicy: "ClusterFirst",
      serviceAccountName: "web",
      serviceAccount: "web",
      nodeName: `vk-${index % 100}`,
      securityContext: { fsGroup: 2000 },
      schedulerName: "default-scheduler",
      tolerations: [
        { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
        { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
      ],
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: "PreemptLowerPriority",
    },
    status: {
      phase: "Running",
      conditions: ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(
        condition,
      ),
      hostIP: "192.168.7.9",
      hostIPs: [{ ip: "192.168.7.9" }],
      podIP: ip,
      podIPs: [{ ip }],
      startTime: time(1),
      containerStatuses: [containerStatus("web"), containerStatus("proxy")],
      qosClass: "Burstable",
      observedGeneration: 1,
    },
  };
}
