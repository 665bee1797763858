// Answers about regions, subnets, permissions, logs and metrics, as far as they are used.
import * as v from "valibot";
import type { Permission, RegionCapabilities, Subnet, Usage } from "../region-wire.ts";
import { withoutNulls } from "./group-answer.ts";

const text = v.optional(v.string());
const number = v.optional(v.number());

function clean<T>(schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T> {
  return v.pipe(v.unknown(), v.transform(withoutNulls), schema);
}

const capabilities = v.object({
  resourceType: text,
  osType: text,
  location: text,
  ipAddressType: text,
  gpu: text,
  capabilities: v.optional(v.object({ maxMemoryInGB: number, maxCpu: number, maxGpuCount: number })),
});
const usage = v.object({
  unit: text,
  currentValue: number,
  limit: number,
  name: v.optional(v.object({ value: text, localizedValue: text })),
});
const named = v.object({ id: text });
const subnet = v.looseObject({
  id: text,
  name: text,
  properties: v.looseObject({
    addressPrefix: text,
    addressPrefixes: v.optional(v.array(v.string())),
    delegations: v.optional(
      v.array(v.looseObject({ name: text, properties: v.optional(v.looseObject({ serviceName: text })) })),
    ),
    routeTable: v.optional(named),
    serviceAssociationLinks: v.optional(
      v.array(
        v.looseObject({ name: text, properties: v.optional(v.looseObject({ link: text, linkedResourceType: text })) }),
      ),
    ),
    provisioningState: text,
  }),
});
const permission = v.object({ actions: v.optional(v.array(v.string())), notActions: v.optional(v.array(v.string())) });

function pageOf<T>(
  each: v.GenericSchema<unknown, T>,
): v.GenericSchema<unknown, { readonly value: readonly T[]; readonly nextLink?: string | undefined }> {
  return clean(v.object({ value: v.optional(v.array(each), []), nextLink: text }));
}

export const capabilitiesPage: ReturnType<typeof pageOf<RegionCapabilities>> = pageOf(capabilities);
export const usagePage: ReturnType<typeof pageOf<Usage>> = pageOf(usage);
export const permissionPage: ReturnType<typeof pageOf<Permission>> = pageOf(permission);
export const subnetAnswer: v.GenericSchema<unknown, Subnet> = clean(subnet);
export const logsAnswer: v.GenericSchema<unknown, { readonly content: string }> = clean(
  v.object({ content: v.optional(v.string(), "") }),
);
export const socketAnswer: v.GenericSchema<unknown, { readonly webSocketUri: string; readonly password: string }> =
  clean(v.object({ webSocketUri: v.string(), password: v.string() }));

/** Of Azure Monitor. */
export interface MetricsAnswer {
  readonly value: readonly {
    readonly name: { readonly value: string };
    readonly timeseries: readonly {
      readonly metadatavalues?:
        | readonly { readonly name: { readonly value: string }; readonly value: string }[]
        | undefined;
      readonly data: readonly { readonly timeStamp: string; readonly average?: number | undefined }[];
    }[];
  }[];
}
const metricName = v.object({ value: v.string() });
export const metricsAnswer: v.GenericSchema<unknown, MetricsAnswer> = clean(
  v.object({
    value: v.array(
      v.object({
        name: metricName,
        timeseries: v.optional(
          v.array(
            v.object({
              metadatavalues: v.optional(v.array(v.object({ name: metricName, value: v.string() }))),
              data: v.optional(v.array(v.object({ timeStamp: v.string(), average: number })), []),
            }),
          ),
          [],
        ),
      }),
    ),
  }),
);
/** Nothing of the body matters. */
export const anyAnswer: v.GenericSchema<unknown, unknown> = v.unknown();
