// The checks of `doctor` on a provider: does it take its configuration, and what it says itself of credentials, rights and quotas.
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { loadCheck, loadDescription, loadProvider, makeProvider } from "../program/load-provider.ts";
import { providerInit } from "../program/provider-init.ts";
import { redactText } from "../program/redact.ts";
import type { ProviderDescription, ProviderInit } from "../provider.ts";
import { callMs, type Finding, fail, ok } from "./doctor-check.ts";

function initOf(config: Config, node: NodeConfig): ProviderInit {
  return providerInit(node, config, { cluster: "doctor", log: silentLogger });
}

/** Undefined where the provider says nothing beforehand, or what keeps it from it is told by checkProvider. */
export async function describe(
  config: Config,
  node: NodeConfig,
  cwd: string,
): Promise<ProviderDescription | undefined> {
  try {
    return await (await loadDescription(node.provider.name, cwd))?.(initOf(config, node));
  } catch {
    return undefined;
  }
}

/** Several calls of a back end that may be far away. */
const patienceMs = 30_000;

/**
 * `runs`: a program runs the node, and may have the back end for itself. A provider that checks nothing itself is made, asked,
 * and let go of.
 */
export async function checkProvider(
  config: Config,
  node: NodeConfig,
  cwd: string,
  runs: boolean,
): Promise<readonly Finding[]> {
  const { name } = node.provider;
  const init = initOf(config, node);
  try {
    const describing = await loadDescription(name, cwd);
    await describing?.(init);
    const check = await loadCheck(name, cwd);
    if (check === undefined) return [await ping(init, name, cwd)];
    const found = await check(init, { signal: AbortSignal.timeout(patienceMs), log: silentLogger });
    return [
      ok(`provider ${name} takes its configuration`),
      ...found.map(({ name: what, status, message, fix }) => ({
        ...{ status, message: redactText(`${what}: ${message}`) },
        fix: fix === undefined ? undefined : redactText(fix),
      })),
    ];
  } catch (error) {
    if (runs && isErrorKind(error, "Conflict"))
      return [ok(`provider ${name} is in use by the program that runs the node`)];
    return [providerFault(error, name)];
  }
}

async function ping(init: ProviderInit, name: string, cwd: string): Promise<Finding> {
  const context = { signal: AbortSignal.timeout(callMs), log: silentLogger };
  const provider = await makeProvider(await loadProvider(name, cwd), name, init, context);
  try {
    if (provider.ping === undefined) return ok(`provider ${name} takes its configuration; it has no ping`);
    await provider.ping(context);
    return ok(`provider ${name} takes its configuration, and its back end answers`);
  } finally {
    await provider[Symbol.asyncDispose]?.();
  }
}

/** Pure. */
export function providerFault(error: unknown, name: string): Finding {
  const text = redactText(errorText(error));
  const fixes: Partial<Record<VirtualKubeletError["kind"], string>> = {
    NotFound: "see: virtual-kubelet providers",
    Invalid: "correct its configuration (--provider-config, or provider.config of the node)",
    Unauthorized: "renew its credentials",
    Forbidden: "give its credentials the rights that the message names",
    Quota: "raise the quota of the account",
    Conflict: "end the other process that uses it, or give this one a place of its own",
  };
  const { kind } = VirtualKubeletError.from(error);
  return fail(`provider ${name}: ${text}`, fixes[kind] ?? "see whether its back end runs and can be reached from here");
}
