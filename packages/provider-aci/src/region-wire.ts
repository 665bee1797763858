// What else of Azure Resource Manager is used here, as it is on the wire: regions, subnets, permissions. Types only.

/** Of a region: what one group may ask for. */
export interface RegionCapabilities {
  readonly resourceType?: string | undefined;
  readonly osType?: string | undefined;
  readonly location?: string | undefined;
  /** Public or Private. */
  readonly ipAddressType?: string | undefined;
  /** A GpuSku, or None. */
  readonly gpu?: string | undefined;
  readonly capabilities?:
    | {
        readonly maxMemoryInGB?: number | undefined;
        readonly maxCpu?: number | undefined;
        readonly maxGpuCount?: number | undefined;
      }
    | undefined;
}

/** Of a region: a quota and what of it is used. */
export interface Usage {
  readonly unit?: string | undefined;
  readonly currentValue?: number | undefined;
  readonly limit?: number | undefined;
  readonly name?: { readonly value?: string | undefined; readonly localizedValue?: string | undefined } | undefined;
}

/** Of Microsoft.Network; what else it has is kept as it is when it is written again. */
export interface Subnet {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly properties: SubnetProperties;
}

export interface SubnetProperties {
  readonly addressPrefix?: string | undefined;
  readonly addressPrefixes?: readonly string[] | undefined;
  readonly delegations?:
    | readonly {
        readonly name?: string | undefined;
        readonly properties?: { readonly serviceName?: string | undefined } | undefined;
      }[]
    | undefined;
  readonly routeTable?: { readonly id?: string | undefined } | undefined;
  readonly serviceAssociationLinks?:
    | readonly {
        readonly name?: string | undefined;
        readonly properties?:
          | { readonly link?: string | undefined; readonly linkedResourceType?: string | undefined }
          | undefined;
      }[]
    | undefined;
  readonly provisioningState?: string | undefined;
  readonly [other: string]: unknown;
}

/** What an identity may do in the resource group (Microsoft.Authorization/permissions): `actions` less `notActions`, with `*`. */
export interface Permission {
  readonly actions?: readonly string[] | undefined;
  readonly notActions?: readonly string[] | undefined;
}
