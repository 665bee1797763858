// Values that are right, beside the examples of the chart: the least, the most, and what is meant to hurt.

export const image: object = { repository: "virtual-kubelet" };
export const mock: object = { name: "mock" };
/** Values of one instance. */
export const one = (name: string, config: object, settings: object = {}): object => ({
  image,
  instances: [{ name, config, ...settings }],
});

/** Values that are right, beside the examples. */
export const valueSets: Readonly<Record<string, object>> = {
  "strings that mean something to YAML, templates and shells": one(
    "hostile",
    {
      clusterId: "{{ .Release.Name }}: |\n---\n$(rm) 'a' \"b\" #c",
      shutdown: { gracePeriodByPodPriority: [{ priority: 2_000_000_000, gracePeriod: "10s" }] },
      podSyncWorkers: 10_000,
      nodes: [
        {
          name: "no",
          provider: {
            name: "mock",
            config: { note: "yes", empty: "", list: [null, "1e3", "0x10"], text: " - a\n\tb: {{ fail }}\n" },
          },
          labels: { "example.com/on": "true", "example.com/number": "1e3" },
          annotations: { "example.com/text": 'line 1\n  line 2: "{{ end }}"\n---\n' },
        },
        { name: "1e3", provider: mock, port: 20_000 },
      ],
    },
    {
      podAnnotations: { "example.com/a": "{{ .Values }}\n---" },
      extraArgs: ["--log-level=debug", "--trace-tag=a=\"b\" 'c'"],
      env: [{ name: "A", value: "b: c\n- d" }],
    },
  ),
  "everything off": one(
    "off",
    {
      clusterId: "one",
      podStatusForm: "patch",
      kubelet: { serve: false },
      nodes: [{ name: "off", provider: mock }],
    },
    {
      ...{ networkPolicy: { enabled: false }, priorityClassName: "", nodeSelector: null, tolerations: [] },
      ...{ resources: { limits: null, requests: null } },
    },
  ),
  "everything on": one(
    "on",
    {
      node: { onShutdown: "delete" },
      watch: { perNodeLimit: 2 },
      kubelet: { sharedPort: true },
      nodes: [
        {
          name: "on-{}",
          count: 3,
          provider: { name: "process", config: { stateDirectory: "/var/lib/virtual-kubelet" } },
        },
      ],
    },
    {
      resolvePods: true,
      certificate: { source: "csr" },
      credentials: { secretName: "cloud", as: "files" },
      envFrom: [{ configMapRef: { name: "more" } }],
      volumes: [{ name: "more", emptyDir: {} }],
      volumeMounts: [{ name: "more", mountPath: "/more" }],
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "topology.kubernetes.io/zone",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: {},
        },
      ],
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      networkPolicy: { metricsFrom: [], egress: { restrict: true } },
    },
  ),
  "a certificate of a Secret, own CA, no authorisation": one(
    "own",
    {
      kubelet: { clientCAFile: "/ca/ca.crt", insecureSkipAuthorization: true },
      nodes: [{ name: "own", provider: mock, internalIP: "10.1.2.3" }],
    },
    {
      certificate: { source: "secret", secretName: "serving" },
      hostNetwork: true,
      metrics: { port: 11_255 },
      podSecurityContext: { runAsUser: 0, runAsNonRoot: false },
    },
  ),
  "identities of three clouds, by tokens that the chart brings": one(
    "identities",
    { nodes: [{ name: "identities", provider: mock }] },
    {
      workloadIdentity: {
        azure: { clientID: "00000000-0000-0000-0000-000000000001", tenantID: "00000000-0000-0000-0000-000000000002" },
        aws: { roleARN: "arn:aws:iam::123456789012:role/vk" },
        alibabaCloud: {
          roleARN: "acs:ram::1234567890123456:role/vk",
          oidcProviderARN: "acs:ram::1234567890123456:oidc-provider/cluster",
        },
        projectToken: true,
      },
      env: [{ name: "A", value: "b" }],
    },
  ),
  "the web view": one(
    "seen",
    { webView: { enabled: true }, nodes: [{ name: "seen", provider: mock }] },
    {
      webView: { service: true, viewerRole: true },
      networkPolicy: { metricsFrom: [], webViewFrom: [{ podSelector: { matchLabels: { app: "ingress" } } }] },
    },
  ),
};
