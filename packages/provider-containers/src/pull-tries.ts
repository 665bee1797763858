// One pull with several credentials: each in turn until one does.
import { errorText, type ImageCredential, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { RegistryAuth } from "./engine/engine-client.ts";

/**
 * Resolves to the credential that did; with none it is tried as nobody, and undefined. Throws what all of them met, each text
 * once.
 */
export async function tryEach(
  credentials: readonly ImageCredential[],
  pull: (auth: RegistryAuth | undefined) => Promise<void>,
  signal: AbortSignal,
): Promise<ImageCredential | undefined> {
  const errors: unknown[] = [];
  for (const credential of credentials.length === 0 ? [undefined] : credentials) {
    try {
      await pull(credential && authOf(credential));
      return credential;
    } catch (error) {
      if (signal.aborted) throw error;
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  throw joined(errors);
}

function joined(errors: readonly unknown[]): VirtualKubeletError {
  const texts = [...new Set(errors.map(errorText))];
  const last = errors.at(-1);
  const text = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  const { kind, httpStatus } = VirtualKubeletError.from(last);
  return new VirtualKubeletError(kind, text, { httpStatus });
}

function authOf({ registry, username, password, identityToken }: ImageCredential): RegistryAuth {
  const serveraddress = registry.split("/")[0] ?? "";
  return { username, password, serveraddress, ...(identityToken !== undefined && { identitytoken: identityToken }) };
}
