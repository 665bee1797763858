// What a test control plane keeps on disk: certificates, keys and kubeconfigs, and the flags of the components that read them.
import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, createKeyPair, type IssuedCertificate } from "./pki.ts";

export interface ClusterFiles {
  readonly caFile: string;
  /** PEM of the authority. */
  readonly ca: string;
  /** The administrator's: system:masters. */
  readonly admin: IssuedCertificate;
  issueClient(user: string, groups: readonly string[]): IssuedCertificate;
  /** Writes `<name>.kubeconfig`, replacing an older one. Returns its path. */
  writeKubeconfig(name: string, server: string, user: IssuedCertificate | { readonly token: string }): Promise<string>;
  path(name: string): string;
}

/** The user the API server is to kubelets. */
export const kubeletClientUser = "kube-apiserver-kubelet-client";

/** Makes the authorities and all certificates of a cluster in `directory`. Keys are readable by their owner only. */
export async function writeClusterFiles(directory: string): Promise<ClusterFiles> {
  const path = (name: string): string => join(directory, name);
  const write = (name: string, text: string): Promise<void> => writeFile(path(name), text, { mode: 0o600 });
  const writePair = async (name: string, pair: IssuedCertificate): Promise<void> => {
    await write(`${name}.crt`, pair.certificate);
    await write(`${name}.key`, pair.key);
  };
  const authority = createAuthority("kubernetes");
  const frontProxy = createAuthority("front-proxy-ca");
  const tokens = createKeyPair();
  const issueClient = (user: string, groups: readonly string[]): IssuedCertificate =>
    authority.issue({ commonName: user, organizations: groups, usages: ["client"] });
  const service = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  await mkdir(directory, { recursive: true });
  await writePair("ca", authority);
  await writePair("front-proxy-ca", frontProxy);
  await writePair("front-proxy-client", frontProxy.issue({ commonName: "front-proxy-client", usages: ["client"] }));
  await writePair(
    "apiserver",
    authority.issue({
      commonName: "kube-apiserver",
      dnsNames: [...service, "localhost"],
      ipAddresses: ["127.0.0.1", "10.96.0.1"],
      usages: ["server"],
    }),
  );
  await writePair("apiserver-kubelet-client", issueClient(kubeletClientUser, []));
  await write("service-accounts.key", tokens.privateKey);
  await write("service-accounts.pub", tokens.publicKey);
  return {
    ca: authority.certificate,
    caFile: path("ca.crt"),
    admin: issueClient("kubernetes-admin", ["system:masters"]),
    issueClient,
    path,
    async writeKubeconfig(name, server, user) {
      const base64 = (text: string): string => Buffer.from(text).toString("base64");
      const credentials =
        "token" in user
          ? { token: user.token }
          : { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) };
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "test", cluster: { server, "certificate-authority-data": base64(authority.certificate) } }],
        users: [{ name, user: credentials }],
        contexts: [{ name: "test", context: { cluster: "test", user: name } }],
        "current-context": "test",
      };
      const file = `${name}.kubeconfig`;
      // Whole at any time: the same one may be written again while a client reads it.
      const whole = `${file}.${randomUUID()}`;
      await write(whole, `${JSON.stringify(config, undefined, 2)}\n`); // JSON is YAML
      await rename(path(whole), path(file));
      return path(file);
    },
  };
}

/** etcd on Unix sockets in its working directory, so that no port can be taken by others: the number is part of a file's name. */
const etcdClients = "unix://etcd:1";
const etcdPeers = "unix://etcd-peers:1";

export function etcdArgs(): string[] {
  return [
    "--name=test",
    "--data-dir=etcd-data",
    `--listen-client-urls=${etcdClients}`,
    `--advertise-client-urls=${etcdClients}`,
    `--listen-peer-urls=${etcdPeers}`,
    `--initial-advertise-peer-urls=${etcdPeers}`,
    `--initial-cluster=test=${etcdPeers}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

/** Must share etcd's working directory. */
export function apiServerArgs(files: ClusterFiles, port: number): string[] {
  return [
    `--etcd-servers=${etcdClients}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    // Endpoints may not be loopback addresses, so nobody may try to write any.
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.96.0.0/16",
    "--allow-privileged=true",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--enable-bootstrap-token-auth=true",
    `--client-ca-file=${files.caFile}`,
    `--tls-cert-file=${files.path("apiserver.crt")}`,
    `--tls-private-key-file=${files.path("apiserver.key")}`,
    `--kubelet-client-certificate=${files.path("apiserver-kubelet-client.crt")}`,
    `--kubelet-client-key=${files.path("apiserver-kubelet-client.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${files.path("service-accounts.pub")}`,
    `--service-account-signing-key-file=${files.path("service-accounts.key")}`,
    `--requestheader-client-ca-file=${files.path("front-proxy-ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-username-headers=X-Remote-User",
    `--proxy-client-cert-file=${files.path("front-proxy-client.crt")}`,
    `--proxy-client-key-file=${files.path("front-proxy-client.key")}`,
    // No kube-proxy here: aggregated APIs are reached at their endpoints.
    "--enable-aggregator-routing=true",
    `--cert-dir=${files.path("apiserver-generated")}`,
  ];
}

export function controllerManagerArgs(files: ClusterFiles, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    "--leader-elect=false",
    "--secure-port=0",
    "--controllers=*,bootstrapsigner,tokencleaner",
    "--use-service-account-credentials=true",
    // Its own limit of 20 a second would spend most of the start on reading its controllers' tokens.
    "--kube-api-qps=200",
    "--kube-api-burst=400",
    `--service-account-private-key-file=${files.path("service-accounts.key")}`,
    `--root-ca-file=${files.caFile}`,
    `--client-ca-file=${files.caFile}`,
    `--cluster-signing-cert-file=${files.caFile}`,
    `--cluster-signing-key-file=${files.path("ca.key")}`,
    `--requestheader-client-ca-file=${files.path("front-proxy-ca.crt")}`,
  ];
}

export function schedulerArgs(kubeconfig: string): string[] {
  return [`--kubeconfig=${kubeconfig}`, "--leader-elect=false", "--secure-port=0"];
}
