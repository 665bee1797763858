// What a back end bills a pod by, and what that costs. Types and docs only. Serialisable.

/** What a pod is billed by: what the back end really takes for it, as far as is known without asking it. */
export interface BilledSize {
  /** Cores. */
  readonly cpu: number;
  /** In the unit that the back end's prices are in: GiB, or a cloud's GB. */
  readonly memoryGiB: number;
  /** How many of each type: the name of the resource, or a cloud's own word for it. */
  readonly gpus?: Readonly<Record<string, number>> | undefined;
  /** Of the storage that is paid for apart, in the same unit as memory. */
  readonly storageGiB?: number | undefined;
  /** As Go names them: "amd64", "linux". Default: the node's. */
  readonly architecture?: string | undefined;
  readonly operatingSystem?: string | undefined;
  /** Capacity that may be taken back. */
  readonly spot?: boolean | undefined;
  /** Name of the price table, where it is not the one of the node: of a provider that is over several. */
  readonly prices?: string | undefined;
  /** Where the figures come from, for people: "the size that Fargate bills". */
  readonly basis: string;
}

/** Each per hour. What is not named costs nothing. */
export interface Prices {
  readonly cpu?: number | undefined;
  readonly memoryGiB?: number | undefined;
  readonly storageGiB?: number | undefined;
  /** Of one GPU, by type. */
  readonly gpus?: Readonly<Record<string, number>> | undefined;
  /** Of a pod, whatever its size. */
  readonly pod?: number | undefined;
}

/** Prices of what a variant of the back end costs: those that it names take the place of the table's. */
export interface PriceVariant extends Prices {
  readonly architecture?: string | undefined;
  readonly operatingSystem?: string | undefined;
}

export interface PriceTable extends Prices {
  /** A pod that ends sooner costs as if it had lived so long; milliseconds. */
  readonly minimum?: number | undefined;
  /** What spot capacity costs of the price; default 1. */
  readonly spotFactor?: number | undefined;
  /** The first that a pod is of counts. */
  readonly variants?: readonly PriceVariant[] | undefined;
}

/** By name: of a provider, or any other that a node or a member chooses. */
export type PriceTables = Readonly<Record<string, PriceTable>>;
