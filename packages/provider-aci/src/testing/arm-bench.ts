// A fake of Azure Resource Manager with a client of ours, for tests.
import type { TestContext } from "node:test";
import { type isErrorKind, silentLogger, systemClock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { CallBudget } from "@virtual-kubelet/virtual-kubelet/cloud";
import { MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import type { CloudEndpoints } from "../arm/clouds.ts";
import { connectArm } from "../arm/rest-client.ts";
import type { AciClient, ArmCall } from "../arm-client.ts";
import type { Credential } from "../credentials/credential.ts";
import type { ContainerGroup, ContainerGroupProperties } from "../wire.ts";
import { FakeArm, type FakeArmOptions } from "./fake-arm.ts";

export interface ArmBench extends AsyncDisposable {
  readonly fake: FakeArm;
  readonly client: AciClient;
  /** For calls; five minutes long. */
  readonly call: ArmCall;
}

export type ArmBenchOptions = Partial<FakeArmOptions> & {
  readonly credential?: Credential;
  readonly env?: NodeJS.ProcessEnv;
  readonly endpoints?: Partial<CloudEndpoints>;
};

/** Disposed of at the end of the test. */
export async function armBench(t: TestContext, options: ArmBenchOptions = {}): Promise<ArmBench> {
  const made = await startArmBench(options);
  t.after(() => made[Symbol.asyncDispose]());
  return made;
}

/** For `assert.rejects`. */
export function refusal(
  kind: Parameters<typeof isErrorKind>[1],
  reason?: string,
  text: RegExp = /./,
): (error: unknown) => boolean {
  return (error) =>
    error instanceof VirtualKubeletError && error.kind === kind && error.reason === reason && text.test(error.message);
}

async function startArmBench(options: ArmBenchOptions = {}): Promise<ArmBench> {
  const fake = await FakeArm.start({ runner: new MemoryGroups(), ...options });
  const client = clientOf(fake, options);
  return {
    fake,
    client,
    call: { signal: AbortSignal.timeout(300_000), log: silentLogger },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

export function clientOf(
  fake: FakeArm,
  { credential, env = {}, endpoints = {} }: Pick<ArmBenchOptions, "credential" | "env" | "endpoints"> = {},
): AciClient {
  const many = { perSecond: 1000, burst: 1000 };
  return connectArm({
    endpoints: { ...fake.endpoints, ...endpoints },
    subscription: fake.subscription,
    resourceGroup: "group",
    credential: credential ?? {
      type: "clientSecret",
      tenantId: "tenant",
      clientId: "client",
      clientSecret: "the-client-secret",
    },
    budget: new CallBudget({
      limits: { create: { ...many, passThrottled: true } },
      fallback: many,
      clock: systemClock,
      random: Math.random,
      log: silentLogger,
    }),
    clock: systemClock,
    env,
    ca: fake.ca,
  });
}

/** A group of a container of the image. */
export function groupOf(image: string, more: Partial<ContainerGroupProperties> = {}): ContainerGroup {
  return {
    location: "westeurope",
    tags: { who: "test" },
    properties: {
      osType: "Linux",
      restartPolicy: "Always",
      containers: [{ name: "web", properties: { image, resources: { requests: { cpu: 0.5, memoryInGB: 0.5 } } } }],
      ...more,
    },
  };
}
