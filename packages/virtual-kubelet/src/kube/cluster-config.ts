// How to reach one cluster and who to be there: what a kubeconfig's context or a pod's service account comes down to.

/** Text given in place, or a file that is read again when it changes. */
export type Material = { readonly data: string } | { readonly file: string };

export interface ExecConfig {
  readonly apiVersion: "client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1";
  /** Found on PATH, or a path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Shown when the command is not installed. */
  readonly installHint?: string | undefined;
  readonly provideClusterInfo: boolean;
  readonly interactiveMode: "Never" | "IfAvailable" | "Always";
  /** Handed to the plugin as `spec.cluster.config`. */
  readonly clusterExtension?: unknown;
}

export interface Impersonation {
  readonly user: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

export interface UserConfig {
  readonly clientCertificate?: Material | undefined;
  readonly clientKey?: Material | undefined;
  readonly token?: string | undefined;
  /** Wins over `token` once it could be read. */
  readonly tokenFile?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly exec?: ExecConfig | undefined;
  readonly impersonate?: Impersonation | undefined;
}

export interface ClusterConfig {
  /** `https://host:port`, with a path where the API is not at the root; `unix:///path` for a socket. */
  readonly server: string;
  /** Absent: the system's authorities. */
  readonly certificateAuthority?: Material | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  /** Name to ask for and to check in the server's certificate, when it is not the host of `server`. */
  readonly tlsServerName?: string | undefined;
  /** http, https or socks5; absent: none. `connect` fills in what HTTPS_PROXY and NO_PROXY say. */
  readonly proxyUrl?: string | undefined;
  /** Of the context; "default" when it names none. */
  readonly namespace: string;
  readonly user: UserConfig;
}

/** What a TLS connection is opened with. Two connections with the same object are interchangeable. */
export interface TlsMaterial {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly serverName: string | undefined;
  readonly insecure: boolean;
}
