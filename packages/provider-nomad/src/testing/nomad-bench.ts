// The fake with its client, and jobs for tests that need no pod.
import { type CallContext, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { parseNomadConfig } from "../config.ts";
import type { NomadClient } from "../nomad-client.ts";
import { clientOf } from "../nomad-provider.ts";
import type { NomadJob, NomadTask } from "../wire-job.ts";
import { FakeNomad, type FakeNomadOptions } from "./fake-nomad/fake-nomad.ts";

export class NomadBench implements AsyncDisposable {
  readonly nomad: FakeNomad;
  readonly client: NomadClient;
  readonly context: CallContext = { signal: new AbortController().signal, log: silentLogger };

  private constructor(nomad: FakeNomad) {
    this.nomad = nomad;
    this.client = clientOf(parseNomadConfig({ address: nomad.address }, {}));
  }

  static async start(options: FakeNomadOptions = {}): Promise<NomadBench> {
    return new NomadBench(await FakeNomad.start({ secondMs: 20, paceMs: 1, syncMs: 5, ...options }));
  }

  /** Each with a program of the host. */
  async register(id: string, tasks: readonly NomadTask[], type: NomadJob["Type"] = "batch"): Promise<void> {
    await this.client.registerJob(jobOf(id, tasks, type), { jobModifyIndex: 0 }, this.context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.nomad[Symbol.asyncDispose]();
  }
}

const second = 1_000_000_000;

export function jobOf(ID: string, Tasks: readonly NomadTask[], Type: NomadJob["Type"] = "batch"): NomadJob {
  return {
    ...{ ID, Name: ID, Type, Datacenters: ["*"], Priority: 50, Meta: {} },
    TaskGroups: [
      {
        ...{ Name: "pod", Count: 1, Tasks },
        RestartPolicy: { Attempts: 0, Interval: 300 * second, Delay: second, Mode: "fail" },
        ReschedulePolicy: { Attempts: 0, Unlimited: false },
        EphemeralDisk: { SizeMB: 300, Sticky: false, Migrate: false },
      },
    ],
  };
}

export function scriptTask(Name: string, script: string, more: Partial<NomadTask> = {}): NomadTask {
  return {
    ...{ Name, Driver: "raw_exec", Config: { command: "/bin/sh", args: ["-c", script] } },
    ...{ Resources: { CPU: 100, MemoryMB: 64 }, KillTimeout: 5 * second, KillSignal: "SIGTERM" },
    LogConfig: { MaxFiles: 1, MaxFileSizeMB: 10 },
    ...more,
  };
}
