// What one layer of the configuration says: flags, environment or file. Types only.
import type { BudgetSettings } from "../budget/budget-settings.ts";
import type { NodeAddress, Quantity, Taint } from "../kube/types.gen.ts";
import type { PriceTables } from "../provider/billing.ts";
import type { ProcessConfig, ProviderConfig } from "./config.ts";

type Given<T> = { readonly [K in keyof T]?: T[K] };

/** What one layer (flags, environment or file) says about nodes. */
export interface NodeSettings {
  readonly operatingSystem?: "linux" | "windows";
  readonly architecture?: string;
  readonly provider?: Given<ProviderConfig>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  readonly internalIP?: string;
  readonly addresses?: readonly NodeAddress[];
  readonly capacity?: Readonly<Record<string, Quantity>>;
  readonly providerID?: string;
  readonly port?: number;
  readonly listenAddress?: string;
  readonly prices?: string;
}

export interface NodeEntry extends NodeSettings {
  readonly name: string;
  readonly count?: number;
}

/** As BudgetSettings, without defaults. */
export interface GivenBudgets {
  readonly currency?: string;
  readonly prices?: PriceTables;
  readonly ceilings?: Given<BudgetSettings["ceilings"]>;
  readonly overCeiling?: BudgetSettings["overCeiling"];
}

/** What one layer says about the process. */
export type ProcessSettings = { readonly budgets?: GivenBudgets } & {
  readonly [K in Exclude<keyof ProcessConfig, "budgets">]?: ProcessConfig[K] extends
    | string
    | number
    | readonly string[]
    | undefined
    ? ProcessConfig[K]
    : Given<ProcessConfig[K]>;
};

export interface FileSettings extends ProcessSettings {
  readonly nodeDefaults?: NodeSettings;
  readonly nodes?: readonly NodeEntry[];
}

/** What flags or environment say: single values for all nodes, which win over the file's. */
export interface OverrideSettings extends ProcessSettings {
  readonly nodeName?: string;
  readonly nodeCount?: number;
  readonly nodeOverrides?: NodeSettings;
  readonly taint?: {
    readonly key?: string;
    readonly value?: string;
    readonly effect?: Taint["effect"];
    readonly disabled?: boolean;
  };
}
