// One kubeconfig file: its schema, and a check that names all of its faults at once by field, without quoting values.
import * as v from "valibot";
import { LineCounter, parseDocument } from "yaml";
import { VirtualKubeletError } from "../errors.ts";
import type { ExecConfig } from "./cluster-config.ts";
import { isProxyAddress } from "./proxy.ts";

const text = v.optional(v.nullable(v.string()));
const flag = v.optional(v.nullable(v.boolean()));
const list = <S extends v.GenericSchema>(item: S) => v.optional(v.nullable(v.array(item)));
const execVersions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"] as const;

const clusterSchema = v.object({
  server: v.pipe(v.string(), v.minLength(1, "must be set")),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": flag,
  "tls-server-name": text,
  "proxy-url": text,
  extensions: list(v.object({ name: v.string(), extension: v.unknown() })),
});

const userSchema = v.object({
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  "as-uid": text,
  "as-groups": list(v.string()),
  "as-user-extra": v.optional(v.nullable(v.record(v.string(), v.array(v.string())))),
  "auth-provider": v.optional(v.unknown()),
  exec: v.optional(
    v.nullable(
      v.object({
        apiVersion: v.picklist(execVersions, `must be one of ${execVersions.join(", ")}`),
        command: v.pipe(v.string(), v.minLength(1, "must be set")),
        args: list(v.string()),
        env: list(v.object({ name: v.string(), value: v.string() })),
        installHint: text,
        provideClusterInfo: flag,
        interactiveMode: v.optional(v.nullable(v.picklist(["Never", "IfAvailable", "Always"]))),
      }),
    ),
  ),
});

const contextSchema = v.object({ cluster: v.string(), user: text, namespace: text });

const fileSchema = v.object({
  kind: v.optional(v.literal("Config", "must be Config")),
  apiVersion: v.optional(v.literal("v1", "must be v1")),
  "current-context": text,
  clusters: list(v.object({ name: v.string(), cluster: clusterSchema })),
  contexts: list(v.object({ name: v.string(), context: contextSchema })),
  users: list(v.object({ name: v.string(), user: v.optional(v.nullable(userSchema)) })),
});

export type Text = string | null | undefined;

export interface Cluster {
  readonly server: string;
  readonly "certificate-authority"?: Text;
  readonly "certificate-authority-data"?: Text;
  readonly "insecure-skip-tls-verify"?: boolean | null | undefined;
  readonly "tls-server-name"?: Text;
  readonly "proxy-url"?: Text;
  readonly extensions?: readonly { readonly name: string; readonly extension: unknown }[] | null | undefined;
}

export interface User {
  readonly "client-certificate"?: Text;
  readonly "client-certificate-data"?: Text;
  readonly "client-key"?: Text;
  readonly "client-key-data"?: Text;
  readonly token?: Text;
  readonly tokenFile?: Text;
  readonly username?: Text;
  readonly password?: Text;
  readonly as?: Text;
  readonly "as-uid"?: Text;
  readonly "as-groups"?: readonly string[] | null | undefined;
  readonly "as-user-extra"?: Readonly<Record<string, readonly string[]>> | null | undefined;
  readonly "auth-provider"?: unknown;
  readonly exec?: UserExec | null | undefined;
}

interface UserExec {
  readonly apiVersion: ExecConfig["apiVersion"];
  readonly command: string;
  readonly args?: readonly string[] | null | undefined;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null | undefined;
  readonly installHint?: Text;
  readonly provideClusterInfo?: boolean | null | undefined;
  readonly interactiveMode?: ExecConfig["interactiveMode"] | null | undefined;
}

export interface Context {
  readonly cluster: string;
  readonly user?: Text;
  readonly namespace?: Text;
}

/** A value of a file, with what relative paths in it are relative to. */
export interface Entry<E> {
  readonly value: E;
  readonly file: string;
  /** For messages: `users[2].user`. */
  readonly path: string;
}

/** All files taken together; of entries with the same name the first counts, whole. */
export interface Kubeconfig {
  readonly files: readonly string[];
  readonly currentContext: string | undefined;
  readonly clusters: ReadonlyMap<string, Entry<Cluster>>;
  readonly contexts: ReadonlyMap<string, Entry<Context>>;
  readonly users: ReadonlyMap<string, Entry<User>>;
}

/** Set and not empty: an empty string counts as absent throughout. */
export function given<V>(value: V | null | undefined): V | undefined {
  return value === null || value === "" ? undefined : value;
}

export function invalid(file: string, faults: readonly string[], field?: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", `kubeconfig ${file}: ${faults.join("; ")}`, { field });
}

/** `users[1].user.exec.command` */
function fieldPath(issue: v.BaseIssue<unknown>): string {
  let path = "";
  for (const { key } of issue.path ?? [])
    path += typeof key === "number" ? `[${key}]` : `${path === "" ? "" : "."}${String(key)}`;
  return path;
}

/** What a schema cannot say of a user. */
function userFaults(user: User, path: string): string[] {
  const faults: string[] = [];
  const has = (key: keyof User): boolean => given(user[key]) !== undefined;
  if (user["auth-provider"] !== undefined && user["auth-provider"] !== null)
    faults.push(`${path}.auth-provider: was removed from Kubernetes; use a credential plugin (exec) instead`);
  const certificate = has("client-certificate") || has("client-certificate-data");
  const key = has("client-key") || has("client-key-data");
  if (certificate && !key) faults.push(`${path}.client-key: must be set with client-certificate`);
  if (key && !certificate) faults.push(`${path}.client-certificate: must be set with client-key`);
  if ((has("token") || has("tokenFile")) && has("username"))
    faults.push(`${path}: token and username exclude one another`);
  if (has("password") && !has("username")) faults.push(`${path}.username: must be set with password`);
  const impersonates = has("as-uid") || (user["as-groups"] ?? []).length > 0 || has("as-user-extra");
  if (impersonates && !has("as")) faults.push(`${path}.as: must be set with as-uid, as-groups and as-user-extra`);
  for (const field of ["client-certificate-data", "client-key-data"] as const) {
    if (!isBase64Pem(given(user[field]))) faults.push(`${path}.${field}: is no PEM text in base64`);
  }
  const { exec } = user;
  if (exec?.apiVersion === execVersions[0] && given(exec.interactiveMode) === undefined)
    faults.push(`${path}.exec.interactiveMode: must be set for ${exec.apiVersion}`);
  return faults;
}

function clusterFaults(cluster: Cluster, path: string): string[] {
  const faults: string[] = [];
  if (!/^(https?:\/\/[^/]|unix:\/\/\/)/.test(cluster.server) || !URL.canParse(cluster.server))
    faults.push(`${path}.server: must be an http(s) address`);
  const authority = given(cluster["certificate-authority"]) ?? given(cluster["certificate-authority-data"]);
  if (cluster["insecure-skip-tls-verify"] === true && authority !== undefined)
    faults.push(`${path}.certificate-authority: excludes insecure-skip-tls-verify`);
  if (!isBase64Pem(given(cluster["certificate-authority-data"])))
    faults.push(`${path}.certificate-authority-data: is no PEM text in base64`);
  const proxy = given(cluster["proxy-url"]);
  if (proxy !== undefined && !isProxyAddress(proxy))
    faults.push(`${path}.proxy-url: must be an http, https or socks5 address`);
  return faults;
}

function isBase64Pem(data: string | undefined): boolean {
  return data === undefined || decode(data).includes("-----BEGIN ");
}

/** Base64 to text. */
export function decode(data: string): string {
  return Buffer.from(data, "base64").toString("utf8");
}

/** Checks one file's text. Throws Invalid with all its faults. */
export function parseKubeconfig(content: string, file: string): Kubeconfig {
  const lineCounter = new LineCounter();
  const document = parseDocument(content, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    // Without the parser's excerpt: it would show credentials.
    const faults = document.errors.map((error) => `line ${lineCounter.linePos(error.pos[0]).line}: ${error.message}`);
    throw invalid(file, faults);
  }
  const parsed = v.safeParse(fileSchema, document.toJS() ?? {});
  if (!parsed.success) {
    const faults = parsed.issues.map((issue) => `${fieldPath(issue) || "the file"}: ${describe(issue)}`);
    const [first] = parsed.issues;
    throw invalid(file, faults, fieldPath(first));
  }
  const faults: string[] = [];
  const clusters = new Map<string, Entry<Cluster>>();
  const contexts = new Map<string, Entry<Context>>();
  const users = new Map<string, Entry<User>>();
  const put = <E>(map: Map<string, Entry<E>>, name: string, value: E, path: string): void => {
    if (map.has(name)) faults.push(`${path}: there is another ${JSON.stringify(name)}`);
    map.set(name, { value, file, path });
  };
  for (const [i, { name, cluster }] of (parsed.output.clusters ?? []).entries()) {
    put(clusters, name, cluster, `clusters[${i}].cluster`);
    faults.push(...clusterFaults(cluster, `clusters[${i}].cluster`));
  }
  for (const [i, { name, context }] of (parsed.output.contexts ?? []).entries())
    put(contexts, name, context, `contexts[${i}].context`);
  for (const [i, { name, user }] of (parsed.output.users ?? []).entries()) {
    put(users, name, user ?? {}, `users[${i}].user`);
    faults.push(...userFaults(user ?? {}, `users[${i}].user`));
  }
  if (faults.length > 0) throw invalid(file, faults, faults[0]?.split(":")[0]);
  return { files: [file], currentContext: given(parsed.output["current-context"]), clusters, contexts, users };
}

const kinds: Readonly<Record<string, string>> = { Object: "a map", Array: "a list", string: "a text" };

/** The fault in words that do not quote the value, which may be a secret. */
function describe(issue: v.BaseIssue<unknown>): string {
  if (issue.received === "undefined") return "must be set";
  if (issue.message.startsWith("must ")) return issue.message;
  return `must be ${kinds[issue.expected ?? ""] ?? issue.expected ?? "something else"}`;
}
