// Nodes with a mock provider for virtual kubelets in this process, over backends that outlive those.
import type { Capabilities } from "../packages/virtual-kubelet/src/provider/capabilities.ts";
import type { PodReport } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { Provider } from "../packages/virtual-kubelet/src/provider.ts";
import { AddressPool } from "../packages/virtual-kubelet/src/providers/mock/addresses.ts";
import {
  type CreateOutcome,
  MockBackend,
  type MockBackendOptions,
} from "../packages/virtual-kubelet/src/providers/mock/backend.ts";
import { type BackendConnection, localConnection } from "../packages/virtual-kubelet/src/providers/mock/connection.ts";
import { createMockProvider, type MockControl } from "../packages/virtual-kubelet/src/providers/mock/mock-provider.ts";
import type { VirtualNode } from "../packages/virtual-kubelet/src/virtual-kubelet-options.ts";

/** A mock backend in this process whose pods outlive the virtual kubelets, with a record of every create and delete. */
export class Backend {
  readonly pods: MockBackend;
  readonly creates: { readonly uid: string; readonly name: string; readonly outcome: CreateOutcome }[] = [];
  readonly deletes: { readonly uid: string; readonly name: string; readonly gracePeriodSeconds: number }[] = [];

  constructor(options: Partial<MockBackendOptions> = {}) {
    this.pods = new MockBackend({ addresses: [sharedAddresses], ...options });
  }

  list(node?: string): readonly PodReport[] {
    return this.pods.list(node);
  }

  /** UIDs of pods of this name that have a running container. */
  running(name: string): readonly string[] {
    return this.list()
      .filter(({ owner, containers }) => owner.name === name && containers.some(({ state }) => state.running))
      .map(({ owner }) => owner.uid);
  }

  connection(): BackendConnection {
    const inner = localConnection(this.pods, false);
    return {
      ...inner,
      create: async (request, hostIPs, signal) => {
        const outcome = await inner.create(request, hostIPs, signal);
        this.creates.push({ uid: request.owner.uid, name: request.owner.name, outcome });
        return outcome;
      },
      delete: async (owner, gracePeriodSeconds, signal) => {
        this.deletes.push({ uid: owner.uid, name: owner.name, gracePeriodSeconds });
        await inner.delete(owner, gracePeriodSeconds, signal);
      },
    };
  }
}

const sharedAddresses = new AddressPool("10.244.0.0/16");

export interface MockNode {
  readonly virtual: VirtualNode;
  readonly provider: Provider;
  readonly control: MockControl;
  readonly backend: Backend;
}

export interface MockNodeOptions {
  readonly backend?: Backend | undefined;
  /** Of the mock: cpu, memory, pods, others. */
  readonly config?: unknown;
  readonly capabilities?: Capabilities | undefined;
  readonly node?: Partial<VirtualNode["node"]> | undefined;
}

/** A node with a mock provider, for a virtual kubelet in this process. */
export async function mockNode(name: string, options: MockNodeOptions = {}): Promise<MockNode> {
  const backend = options.backend ?? new Backend();
  const internalIP = "10.1.2.3";
  const mock = await createMockProvider(
    { node: name, internalIP, config: options.config },
    { connection: backend.connection() },
  );
  const provider = options.capabilities === undefined ? mock : { ...mock, capabilities: options.capabilities };
  const node = {
    name,
    provider: { name: "mock", version: "1" },
    kubeletVersion: "v1.36.3-vk-0.1.0",
    addresses: [{ type: "InternalIP", address: internalIP }],
    ...options.node,
  };
  return { virtual: { node, provider }, provider, control: mock.control, backend };
}
