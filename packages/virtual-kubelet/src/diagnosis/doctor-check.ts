// What a check of `doctor` is given and answers. Types, and words that checks share.
import type { KubeClient } from "../kube/client.ts";
import type { Stored } from "../kube/resource.ts";
import type { Lease, Node } from "../kube/types.gen.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import type { ProviderDescription } from "../provider.ts";
import type { PortCheck } from "./doctor-endpoint.ts";

/** "fail": the node cannot do its work; "warn": something that users want is missing; "skip": could not be looked at. */
export type Outcome = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  readonly status: Outcome;
  readonly message: string;
  /** What to do; commands are complete. */
  readonly fix?: string | undefined;
}

/** What is the same for all nodes. */
export interface ClusterContext {
  readonly config: Config;
  readonly client: KubeClient;
  /** User name of the credentials. */
  readonly user: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly ports: PortCheck;
}

export interface NodeContext extends ClusterContext {
  readonly node: NodeConfig;
  /** The configuration names an address of this machine for it; that which is found out by itself says nothing. Default: false. */
  readonly isPlacedHere?: boolean | undefined;
  /** As the API has it; undefined: none of this name. */
  readonly registered?: Stored<Node> | undefined;
  readonly lease?: Stored<Lease> | undefined;
  /** Undefined: no provider is named, or it says nothing beforehand. */
  readonly description?: ProviderDescription | undefined;
}

export const callMs = 8000;

export const ok = (message: string): Finding => ({ status: "ok", message });
export const warn = (message: string, fix?: string): Finding => ({ status: "warn", message, fix });
export const fail = (message: string, fix?: string): Finding => ({ status: "fail", message, fix });
export const skip = (message: string, fix?: string): Finding => ({ status: "skip", message, fix });
