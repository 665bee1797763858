// A look at the certificate files that a configuration names, so that a wrong path is said at the start and all at once.
import { readFile } from "node:fs/promises";
import { VirtualKubeletError } from "../errors.ts";
import type { ClusterConfig, Material } from "./cluster-config.ts";

/** Throws Invalid with every file that is missing or holds no PEM. Tokens are not looked at: they may come later. */
export async function checkMaterial(config: ClusterConfig): Promise<void> {
  const named: readonly (readonly [string, Material | undefined])[] = [
    ["certificate-authority", config.certificateAuthority],
    ["client-certificate", config.user.clientCertificate],
    ["client-key", config.user.clientKey],
  ];
  const faults: string[] = [];
  let field: string | undefined;
  for (const [name, material] of named) {
    if (material === undefined || "data" in material) continue;
    const fault = await faultOf(material.file);
    if (fault === undefined) continue;
    faults.push(`${name}: ${material.file} ${fault}`);
    field ??= name;
  }
  if (faults.length > 0) throw new VirtualKubeletError("Invalid", faults.join("; "), { field });
}

async function faultOf(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).includes("-----BEGIN ") ? undefined : "holds no PEM";
  } catch (error) {
    return `cannot be read (${error instanceof Error && "code" in error ? String(error.code) : "error"})`;
  }
}
