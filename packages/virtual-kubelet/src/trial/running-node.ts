// The program as part of this process: nodes by a configuration file, their log in a file, ended by its own rules.
import { openSync, writeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { LogFields, Logger } from "../log.ts";
import { UsageError } from "../program/fault.ts";
import { loadConfig } from "../program/load-config.ts";
import { createLogger } from "../program/logging.ts";
import { start } from "../program/start.ts";

export interface RunningNode {
  readonly configFile: string;
  readonly logFile: string;
  /** Resolves when it ends: to the fault that ended it, or to nothing where it was asked to. Never rejects. */
  readonly ended: Promise<VirtualKubeletError | undefined>;
  /** Resolves to why the provider cannot be made, where it says that the first time; it is tried again. */
  readonly providerFault: Promise<string>;
  /** host:port of its metrics, once it has said so. */
  metricsAddress(): string | undefined;
  logTail(): Promise<string>;
  /** Ends it as its user would. False: it takes longer than `limitMs`, and is left alone. */
  stop(limitMs: number): Promise<boolean>;
}

export interface RunNodeOptions {
  /** Content of the configuration file. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** For the configuration and the log. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Throws UsageError where environment and configuration do not fit. */
export async function runNode(options: RunNodeOptions): Promise<RunningNode> {
  const { directory, kubeconfig, context, env, cwd } = options;
  const configFile = join(directory, "config.yaml");
  const logFile = join(directory, "virtual-kubelet.log");
  const content = {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { kubeContext: context }),
    ...options.config,
  };
  await writeFile(configFile, stringify(content), { mode: 0o600 });
  const input = { argv: ["--config", configFile], env, cwd };
  const loaded = await loadConfig(input);
  const descriptor = openSync(logFile, "a", 0o600);
  const log = createLogger({
    level: loaded.config.logging.level,
    format: "pretty",
    stream: { write: (line) => writeSync(descriptor, line) },
  });
  let metrics: string | undefined;
  const providerFault = Promise.withResolvers<string>();
  const observed = observing(log, (fields, message) => {
    if (message.startsWith("the provider cannot be made")) providerFault.resolve(errorText(fields["err"]));
    if (message.startsWith("serving /metrics") && typeof fields["address"] === "string") metrics = fields["address"];
  });
  const stop = new AbortController();
  const ended = start(loaded, input, observed, stop.signal).then(
    () => undefined,
    (error: unknown) => {
      log.error({ err: error }, "ended by a fault");
      // Of its one provider: what it threw has the kind.
      return VirtualKubeletError.from(error instanceof UsageError ? (error.cause ?? error) : error);
    },
  );
  return {
    configFile,
    logFile,
    ended,
    providerFault: providerFault.promise,
    metricsAddress: () => metrics,
    logTail: async () => (await readFile(logFile, "utf8")).split("\n").slice(-12).join("\n").trimEnd(),
    async stop(limitMs) {
      stop.abort();
      const late = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => late.resolve(false), limitMs);
      try {
        return await Promise.race([ended.then(() => true), late.promise]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** What is said of the course of things is told to `see` as well. */
function observing(log: Logger, see: (fields: LogFields, message: string) => void): Logger {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info(fields, message) {
      see(fields, message);
      log.info(fields, message);
    },
    warn(fields, message) {
      see(fields, message);
      log.warn(fields, message);
    },
    error: (fields, message) => log.error(fields, message),
    child: (fields) => observing(log.child(fields), see),
  };
}
