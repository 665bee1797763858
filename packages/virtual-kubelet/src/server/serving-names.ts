// Which names and addresses a serving certificate has to have, of the addresses in Node status.
import { isIP } from "node:net";
import type { SubjectNames } from "../kube/certificate-pair.ts";
import type { NodeAddress } from "../kube/types.gen.ts";

/** Of any number of nodes; what is no DNS name or address is left out. */
export function servingNames(addresses: readonly NodeAddress[]): SubjectNames {
  const dnsNames = new Set<string>();
  const ipAddresses = new Set<string>();
  for (const { address } of addresses) {
    if (isIP(address) !== 0) ipAddresses.add(address);
    else if (isDnsName(address)) dnsNames.add(address.toLowerCase());
  }
  return { dnsNames: [...dnsNames].sort(), ipAddresses: [...ipAddresses].sort() };
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
}
