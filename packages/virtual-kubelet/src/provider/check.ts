// What a provider found of its back end before it is used: for `virtual-kubelet doctor`. Types and docs only. Serialisable.

/** One thing that was looked at. */
export interface ProviderCheck {
  /** In few words: "credentials", "right to create", "quota of vCPUs", "engine". */
  readonly name: string;
  /** "fail": pods will not run; "warn": some will not, or not for long; "skip": could not be looked at. */
  readonly status: "ok" | "warn" | "fail" | "skip";
  /** What is, with the figures ("12 of 20 vCPUs in use"). Never a secret. */
  readonly message: string;
  /** What to do about it; commands are complete. */
  readonly fix?: string | undefined;
}
