// Registry credentials in the formats in which Secrets hold them. Pure; what cannot be read is left out.
import { isObject } from "../kube/stored.ts";
import type { Secret } from "../kube/types.gen.ts";
import type { ImageCredential } from "../resolved-pod.ts";

/** All credentials of the Secrets, best match first: by the longest registry, then in the order of the Secrets. */
export function imageCredentials(secrets: Iterable<Secret>): readonly ImageCredential[] {
  const all = [...secrets].flatMap(credentialsOf);
  const seen = new Set<string>();
  return all
    .filter((each) => {
      const key = JSON.stringify([each.registry, each.username, each.password, each.identityToken]);
      return seen.has(key) ? false : seen.add(key);
    })
    .sort((a, b) => b.registry.length - a.registry.length);
}

function credentialsOf({ data = {} }: Secret): readonly ImageCredential[] {
  const config = parsed(data[".dockerconfigjson"]);
  if (config !== undefined) return isObject(config["auths"]) ? entriesOf(config["auths"]) : [];
  return entriesOf(parsed(data[".dockercfg"]) ?? {});
}

function parsed(data: string | undefined): Record<string, unknown> | undefined {
  if (data === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(data, "base64").toString("utf8"));
    return isObject(value) ? value : undefined;
  } catch {
    // A Secret that its author wrote wrongly: as good as none, and its text is nobody's business.
    return undefined;
  }
}

function entriesOf(auths: Record<string, unknown>): readonly ImageCredential[] {
  return Object.entries(auths).flatMap(([registry, entry]) => {
    if (!isObject(entry)) return [];
    const { username, password } = login(entry);
    const token = entry["identitytoken"];
    const identityToken = typeof token === "string" && token !== "" ? token : undefined;
    if (username === "" && password === "" && identityToken === undefined) return [];
    return [{ registry: registryOf(registry), username, password, ...(identityToken && { identityToken }) }];
  });
}

/** `auth` is base64 of "user:password" and goes before the two fields. */
function login(entry: Record<string, unknown>): { readonly username: string; readonly password: string } {
  const { auth, username, password } = entry;
  if (typeof auth === "string" && auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    if (colon >= 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return {
    username: typeof username === "string" ? username : "",
    password: typeof password === "string" ? password : "",
  };
}

/** Host and path, however it was written: with a scheme, with the version of the registry's API, with a slash at its end. */
function registryOf(key: string): string {
  return key
    .replace(/^https?:\/\//, "")
    .replace(/^([^/]+)\/v[12](?=\/|$)/, "$1")
    .replace(/\/+$/, "");
}
