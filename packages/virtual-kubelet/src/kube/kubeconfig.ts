// From kubeconfig files to a ClusterConfig: which files, merged as kubectl does, and what a context of them comes down to.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { ClusterConfig, ExecConfig, Impersonation, Material, UserConfig } from "./cluster-config.ts";
import {
  type Cluster,
  decode,
  type Entry,
  given,
  invalid,
  type Kubeconfig,
  parseKubeconfig,
  type User,
} from "./kubeconfig-file.ts";

export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const firstOf = <E>(maps: readonly ReadonlyMap<string, E>[]): ReadonlyMap<string, E> =>
    new Map(maps.toReversed().flatMap((map) => [...map]));
  return {
    files: configs.flatMap((config) => config.files),
    currentContext: configs.find((config) => config.currentContext !== undefined)?.currentContext,
    clusters: firstOf(configs.map((config) => config.clusters)),
    contexts: firstOf(configs.map((config) => config.contexts)),
    users: firstOf(configs.map((config) => config.users)),
  };
}

/** Files to read: the one named, else those of $KUBECONFIG, else ~/.kube/config. */
export function kubeconfigFiles(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
): { readonly files: readonly string[]; readonly from: "named" | "KUBECONFIG" | "home" } {
  if (named !== undefined) return { files: [named], from: "named" };
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  if (listed.length > 0) return { files: [...new Set(listed)], from: "KUBECONFIG" };
  return { files: [join(env["HOME"] ?? env["USERPROFILE"] ?? homedir(), ".kube", "config")], from: "home" };
}

/** Reads and merges. Undefined when only ~/.kube/config was left to look for and it does not exist. Throws Invalid. */
export async function loadKubeconfig(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Kubeconfig | undefined> {
  const { files, from } = kubeconfigFiles(named, env);
  const configs: Kubeconfig[] = [];
  for (const file of files) {
    let content: string;
    try {
      content = await readFile(file, "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "error";
      // kubectl passes over missing files of the list.
      if (code === "ENOENT" && from !== "named") continue;
      throw new VirtualKubeletError("Invalid", `kubeconfig ${file} cannot be read: ${code}`, { cause: error });
    }
    configs.push(parseKubeconfig(content, resolve(file)));
  }
  if (configs.length > 0) return mergeKubeconfigs(configs);
  if (from === "home") return undefined;
  throw new VirtualKubeletError("Invalid", `none of the files of KUBECONFIG exists: ${files.join(", ")}`);
}

/** The cluster and user of a context, by default the current one. Throws Invalid. */
export function clusterConfigOf(config: Kubeconfig, contextName?: string): ClusterConfig {
  const where = config.files.join(", ");
  const name = contextName ?? config.currentContext;
  if (name === undefined) throw invalid(where, ["current-context: must be set"], "current-context");
  const context = config.contexts.get(name);
  if (context === undefined) {
    const known = [...config.contexts.keys()].join(", ");
    throw invalid(
      where,
      [`there is no context ${JSON.stringify(name)}, only: ${known === "" ? "none" : known}`],
      "contexts",
    );
  }
  const faults: string[] = [];
  const cluster = config.clusters.get(context.value.cluster);
  if (cluster === undefined)
    faults.push(`${context.path}.cluster: there is no cluster ${JSON.stringify(context.value.cluster)}`);
  const userName = given(context.value.user);
  const user = userName === undefined ? undefined : config.users.get(userName);
  if (userName !== undefined && user === undefined)
    faults.push(`${context.path}.user: there is no user ${JSON.stringify(userName)}`);
  if (cluster === undefined || faults.length > 0) throw invalid(context.file, faults, faults[0]?.split(":")[0]);
  const { value } = cluster;
  return {
    server: value.server,
    certificateAuthority: material(value["certificate-authority"], value["certificate-authority-data"], cluster.file),
    insecureSkipTlsVerify: value["insecure-skip-tls-verify"] === true,
    tlsServerName: given(value["tls-server-name"]),
    proxyUrl: given(value["proxy-url"]),
    namespace: given(context.value.namespace) ?? "default",
    user: user === undefined ? {} : userConfig(user, value),
  };
}

function material(file: string | null | undefined, data: string | null | undefined, of: string): Material | undefined {
  const inline = given(data);
  if (inline !== undefined) return { data: decode(inline) };
  const path = given(file);
  return path === undefined ? undefined : { file: resolve(dirname(of), path) };
}

function userConfig({ value, file }: Entry<User>, cluster: Cluster): UserConfig {
  const tokenFile = given(value.tokenFile);
  return {
    clientCertificate: material(value["client-certificate"], value["client-certificate-data"], file),
    clientKey: material(value["client-key"], value["client-key-data"], file),
    token: given(value.token),
    tokenFile: tokenFile === undefined ? undefined : resolve(dirname(file), tokenFile),
    username: given(value.username),
    password: given(value.password),
    exec: execConfig(value, cluster, file),
    impersonate: impersonation(value),
  };
}

function impersonation(user: User): Impersonation | undefined {
  const name = given(user.as);
  if (name === undefined) return undefined;
  return {
    user: name,
    uid: given(user["as-uid"]),
    groups: user["as-groups"] ?? [],
    extra: user["as-user-extra"] ?? {},
  };
}

function execConfig({ exec }: User, cluster: Cluster, file: string): ExecConfig | undefined {
  if (exec === undefined || exec === null) return undefined;
  // A bare name is looked for on PATH, a path with a slash from the kubeconfig on.
  const bare = !/[/\\]/.test(exec.command);
  const extension = cluster.extensions?.find((one) => one.name === "client.authentication.k8s.io/exec");
  return {
    apiVersion: exec.apiVersion,
    command: bare || isAbsolute(exec.command) ? exec.command : resolve(dirname(file), exec.command),
    args: exec.args ?? [],
    env: Object.fromEntries((exec.env ?? []).map((variable) => [variable.name, variable.value])),
    installHint: given(exec.installHint),
    provideClusterInfo: exec.provideClusterInfo === true,
    interactiveMode: given(exec.interactiveMode) ?? "IfAvailable",
    clusterExtension: extension?.extension,
  };
}
