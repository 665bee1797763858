// Tokens of who is signed in on this machine, by the vendor's command line programs: for trying things out, not for servers.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { TokenSource } from "./token-source.ts";

const run = promisify(execFile);

const azAnswer = v.object({
  accessToken: v.string(),
  expires_on: v.optional(v.number()),
  expiresOn: v.optional(v.string()),
});
const azdAnswer = v.object({ token: v.string(), expiresOn: v.string() });

/** Azure CLI: `az login` came before. */
export function azureCli(tenantId: string | undefined, env: NodeJS.ProcessEnv, clock: Clock): TokenSource {
  const tenant = tenantId === undefined ? [] : ["--tenant", tenantId];
  return {
    kind: "Azure CLI",
    async fetch(audience, signal) {
      const args = ["account", "get-access-token", "--output", "json", "--scope", `${audience}/.default`, ...tenant];
      const { accessToken, expires_on, expiresOn } = await answerOf("az", args, azAnswer, env, signal);
      const until = expires_on === undefined ? Date.parse(expiresOn ?? "") : expires_on * 1000;
      return { token: accessToken, expiresAt: Number.isNaN(until) ? clock.now() + 5 * 60_000 : until };
    },
  };
}

/** Azure Developer CLI: `azd auth login` came before. */
export function azureDeveloperCli(tenantId: string | undefined, env: NodeJS.ProcessEnv): TokenSource {
  const tenant = tenantId === undefined ? [] : ["--tenant-id", tenantId];
  return {
    kind: "Azure Developer CLI",
    async fetch(audience, signal) {
      const args = ["auth", "token", "--output", "json", "--scope", `${audience}/.default`, ...tenant];
      const { token, expiresOn } = await answerOf("azd", args, azdAnswer, env, signal);
      return { token, expiresAt: Date.parse(expiresOn) };
    },
  };
}

async function answerOf<T>(
  program: string,
  args: readonly string[],
  schema: v.GenericSchema<unknown, T>,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<T> {
  let text: string;
  try {
    text = (await run(program, args, { env, signal, timeout: 30_000, maxBuffer: 2 ** 20 })).stdout;
  } catch (cause) {
    if (signal.aborted) throw new VirtualKubeletError("Aborted", `${program}: aborted`);
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (isMissing) throw new VirtualKubeletError("Unsupported", `${program} is not on the PATH`);
    const said = cause instanceof Error && "stderr" in cause && typeof cause.stderr === "string" ? cause.stderr : "";
    throw new VirtualKubeletError("Unauthorized", `${program} gave no token: ${said.trim().slice(0, 500)}`);
  }
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    // The cause would quote the answer, which may hold a token.
    throw new VirtualKubeletError("Unavailable", `${program} gave an answer without a token`);
  }
}
