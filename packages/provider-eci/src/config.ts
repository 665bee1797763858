// Configuration of the ECI provider: in which region and network groups are made, what pods may have and may ask for by annotation.
import type { CredentialsConfig } from "./credentials-config.ts";

export interface EciConfig {
  readonly region: string;
  readonly credentials: CredentialsConfig;
  /** Default: `https://eci.<region>.aliyuncs.com`. */
  readonly endpoint: string;
  /** PEM of an authority to trust beside the system's. "": those alone. */
  readonly caFile: string;
  /** ID of the one that groups are in. "": the account's default. */
  readonly resourceGroup: string;
  readonly network: {
    /** Tried in the order of `scheduleStrategy`. */
    readonly vSwitches: readonly string[];
    readonly securityGroup: string;
    readonly scheduleStrategy: "VSwitchOrdered" | "VSwitchRandom";
  };
  /** Of the node: what pods may ask for altogether. */
  readonly capacity: Readonly<Record<string, string>>;
  /** For containers that ask for none. */
  readonly defaultRequests: { readonly cpu: string; readonly memory: string };
  /** A group is as large as its containers' requests together, or as their limits. */
  readonly sizeBy: "requests" | "limits";
  /** What of security settings the cloud cannot keep (capabilities to drop, fsGroup ...): such pods are refused, or told of it. */
  readonly unenforcedSecurity: "refuse" | "warn";
  /** What pods may ask for themselves; `*` for any part. Default: nothing of it. */
  readonly allowed: {
    readonly vSwitches: readonly string[];
    readonly securityGroups: readonly string[];
    readonly ramRoles: readonly string[];
    readonly resourceGroups: readonly string[];
    /** Public addresses of their own. */
    readonly publicIPs: boolean;
    readonly privileged: boolean;
    /** Directories of the cloud's machines, which the account must be allowed. */
    readonly hostPaths: boolean;
  };
  /** Of pods that name none. "": none. */
  readonly ramRole: string;
  readonly architecture: "AMD64" | "ARM64";
  readonly spot?:
    | {
        readonly strategy: "SpotAsPriceGo" | "SpotWithPriceLimit";
        /** Per hour. */
        readonly priceLimit?: number | undefined;
        /** Hours that an instance is kept. */
        readonly duration: 0 | 1;
      }
    | undefined;
  /** ECS instance types, or cores and memory like 2-4Gi, in order of preference, of pods that name none. */
  readonly instanceTypes: readonly string[];
  readonly computeCategories: readonly ("general" | "economy")[];
  /** Images from the caches that match. */
  readonly imageCache: boolean;
  readonly registries: {
    /** Images of these instances of Container Registry are pulled by the service's own role. */
    readonly acrInstances: readonly {
      readonly id: string;
      readonly region: string;
      readonly domains: readonly string[];
    }[];
    /** Hosts whose certificates are not checked. */
    readonly insecure: readonly string[];
    /** Hosts without TLS. */
    readonly plainHTTP: readonly string[];
  };
  /** An image with /bin/sh and find: brings files that are too large for the cloud's own volumes, or renewed. "": there is none. */
  readonly helperImage: string;
  /** On each group, beside the owner's. */
  readonly tags: Readonly<Record<string, string>>;
  /** Groups that the Go provider made are looked after, too. */
  readonly adoptGoGroups: boolean;
  /** Calls per second by operation ("DescribeContainerGroups"), where the account's limits are not the usual ones. */
  readonly callLimits: Readonly<Record<string, { readonly perSecond: number; readonly burst: number }>>;
  /** Added to the User-Agent. */
  readonly userAgent: string;
}

export function endpointOf({ endpoint, region }: Pick<EciConfig, "endpoint" | "region">): string {
  return endpoint === "" ? `https://eci.${region}.aliyuncs.com` : endpoint.replace(/\/+$/, "");
}
