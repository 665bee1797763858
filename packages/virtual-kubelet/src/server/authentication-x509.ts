// Users by client certificate: the subject of a certificate that TLS has verified. Pure.
import { createHash, X509Certificate } from "node:crypto";
import type { UserInfo } from "./access.ts";

export type CertificateOutcome =
  | { readonly user: UserInfo }
  /** It names nobody, as if there were none. */
  | { readonly nobody: string }
  /** It must not be used, and nothing weaker in its place. */
  | { readonly refused: string };

/**
 * Who a certificate (DER) stands for at `now` (epoch milliseconds): the user is the CN, each O is a group, a UID may be there. TLS looks at the dates
 * only when the connection is made, so they are looked at again for each request. More than one CN is refused: whose it is would
 * depend on the reader.
 */
export function certificateUser(der: Uint8Array, now: number): CertificateOutcome {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch {
    return { refused: "the client certificate cannot be read" };
  }
  // Written this way round, a date that is no date refuses.
  if (!(certificate.validFromDate.getTime() <= now)) return { refused: "the client certificate is not valid yet" };
  if (!(now <= certificate.validToDate.getTime())) return { refused: "the client certificate has expired" };
  // The subject as text would have to be split at separators that values may contain; here each value is one string.
  const { subject } = certificate.toLegacyObject();
  const names = listOf(subject.CN);
  if (names.length > 1) return { refused: "the client certificate has more than one common name" };
  const [username = ""] = names;
  if (username === "") return { nobody: "the client certificate has no common name" };
  const uids = listOf(subject[uidAttribute]);
  if (uids.length > 1) return { refused: "the client certificate has more than one UID" };
  return {
    user: {
      username,
      ...(uids[0] === undefined ? {} : { uid: uids[0] }),
      groups: listOf(subject.O).filter((group) => group !== ""),
      extra: { [credentialId]: [`X509SHA256=${createHash("sha256").update(der).digest("hex")}`] },
    },
  };
}

/** Where the API server looks for the UID of a user in a subject. */
const uidAttribute = "1.3.6.1.4.1.57683.2";
/** As the API server tells authorisers and its audit log which credential was used. */
const credentialId = "authentication.kubernetes.io/credential-id";

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;
