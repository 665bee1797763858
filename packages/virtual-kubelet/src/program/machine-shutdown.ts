// What the program does when it is told to end: whether its nodes go down with it, and then their pods before the program.
import { execFile } from "node:child_process";
import { errorText } from "../errors.ts";
import { toolEnvironment } from "../host/tool-environment.ts";
import type { Logger } from "../log.ts";
import { type ShutdownRule, shutdownRules } from "../pod/node-shutdown.ts";
import type { Config } from "./config.ts";

/** None: pods are never ended. */
export function rulesOf({
  gracePeriod,
  gracePeriodCriticalPods,
  gracePeriodByPodPriority,
}: Config["shutdown"]): readonly ShutdownRule[] {
  if (gracePeriodByPodPriority.length > 0)
    return gracePeriodByPodPriority.map(({ priority, gracePeriod: ms }) => ({
      priority,
      gracePeriodSeconds: Math.floor(ms / 1000),
    }));
  if (gracePeriod === 0) return [];
  return shutdownRules(Math.floor(gracePeriod / 1000), Math.floor(gracePeriodCriticalPods / 1000));
}

const askMs = 5000;

/** Does systemd take the machine down? Without systemd nobody knows, and the answer is no. */
export function machineGoesDown(command = "systemctl"): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Its exit code says only that the machine does not just run.
  execFile(command, ["is-system-running"], { env: { ...toolEnvironment }, timeout: askMs }, (_error, stdout) =>
    resolve(stdout.trim() === "stopping"),
  );
  return promise;
}

export interface EndOptions {
  readonly shutdown: Config["shutdown"];
  readonly log: Logger;
  /** Ends the pods; undefined while there is nothing yet that could. */
  readonly shutDown: () => ((rules: readonly ShutdownRule[]) => Promise<void>) | undefined;
  readonly goesDown?: (() => Promise<boolean>) | undefined;
}

/** Aborts after `signal` does, once the pods have ended where they are to. */
export function afterPods(signal: AbortSignal, options: EndOptions): AbortSignal {
  const end = new AbortController();
  const told = (): void => {
    void endPods(options).finally(() => end.abort(signal.reason));
  };
  if (signal.aborted) end.abort(signal.reason);
  else signal.addEventListener("abort", told, { once: true });
  return end.signal;
}

async function endPods({ shutdown, log, shutDown, goesDown = machineGoesDown }: EndOptions): Promise<void> {
  const rules = rulesOf(shutdown);
  const work = shutDown();
  if (rules.length === 0 || work === undefined) return;
  try {
    if (shutdown.when === "machine" && !(await goesDown())) {
      log.info({}, "the machine stays up: pods go on");
      return;
    }
    await work(rules);
  } catch (error) {
    log.error({ err: errorText(error) }, "pods could not be ended with their nodes");
  }
}
