// How a registry wants to know who asks: what it says with its refusal, and the token that is had for it.
import { type ImageCredential, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { Https } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";

export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service: string };

/** Of the header WWW-Authenticate; undefined for none that is known here. Pure. */
export function challengeOf(header: string | readonly string[] | undefined): Challenge | undefined {
  const all = typeof header === "string" ? [header] : (header ?? []);
  for (const text of all) {
    if (/^basic\b/i.test(text)) return { scheme: "basic" };
    if (!/^bearer\b/i.test(text)) continue;
    const fields = new Map(
      [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name.toLowerCase(), value]),
    );
    const realm = fields.get("realm") ?? "";
    if (realm !== "") return { scheme: "bearer", realm, service: fields.get("service") ?? "" };
  }
  return undefined;
}

const answer = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ token: v.optional(v.string()), access_token: v.optional(v.string()) }),
);

/** Value of the header Authorization for reading one repository. Undefined: there is none for these. */
export async function authorizationFor(
  https: Https,
  challenge: Challenge,
  repository: string,
  credential: ImageCredential | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const basic = credential === undefined || credential.password === "" ? undefined : basicOf(credential);
  if (challenge.scheme === "basic") return basic;
  const realm = URL.parse(challenge.realm);
  if (realm?.protocol !== "https:")
    throw new VirtualKubeletError("Unavailable", "the registry sends to a place without TLS for a token", {
      reason: "RegistryUnavailable",
    });
  const scope = `repository:${repository}:pull`;
  const query = { ...(challenge.service !== "" && { service: challenge.service }), scope };
  const refresh = credential?.identityToken;
  const common = { signal, timeoutMs: 20_000 } as const;
  const { status, text } =
    refresh === undefined
      ? await https.call({
          ...{ method: "GET", url: withQuery(realm, query), ...common },
          headers: basic === undefined ? {} : { authorization: basic },
        })
      : await https.call({
          ...{ method: "POST", url: realm.href, ...common },
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: new URLSearchParams({
            ...{ grant_type: "refresh_token", client_id: "virtual-kubelet", refresh_token: refresh },
            ...query,
          }).toString(),
        });
  if (status !== 200) return undefined;
  const parsed = v.safeParse(answer, text);
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token) : undefined;
  return token === undefined ? undefined : `Bearer ${token}`;
}

function basicOf({ username, password }: ImageCredential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): string {
  const whole = new URL(url);
  for (const [name, value] of Object.entries(query)) whole.searchParams.append(name, value);
  return whole.href;
}

const exchanged = v.pipe(v.string(), v.parseJson(), v.object({ refresh_token: v.string() }));

/**
 * What registries of the cloud's vendor give for a token of its directory: a refresh token of theirs. `url`: of the registry.
 * Throws Unavailable, with the reason ErrImagePull, where the registry knows no such exchange, or this identity may not read.
 */
export async function refreshTokenFor(https: Https, url: string, token: string, signal: AbortSignal): Promise<string> {
  const { host } = new URL(url);
  const { status, text } = await https.call({
    ...{ method: "POST", url: `${url}/oauth2/exchange`, signal, timeoutMs: 20_000 },
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ grant_type: "access_token", service: host, access_token: token }).toString(),
  });
  const parsed = v.safeParse(exchanged, text);
  if (status !== 200 || !parsed.success)
    throw new VirtualKubeletError(
      "Unavailable",
      `${host} does not let the identity of this program read (${status}): it needs the role AcrPull there`,
      { reason: "ErrImagePull", httpStatus: status },
    );
  return parsed.output.refresh_token;
}
