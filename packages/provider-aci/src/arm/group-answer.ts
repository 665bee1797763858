// Answers about container groups, as far as they are used: states, times, addresses and what containers were made with. Nulls and
// values that nobody knew when this was written are left out, so that a newer cloud does not make an answer useless.
import * as v from "valibot";
import type { ContainerGroup, IpAddress } from "../wire.ts";
import type { Container, ContainerPort, InitContainerDefinition } from "../wire-containers.ts";
import type { ContainerInstanceView, ContainerState, InstanceEvent } from "../wire-views.ts";

const text = v.optional(v.string());
const number = v.optional(v.number());
const strings = v.optional(v.array(v.string()));
const tags = v.optional(v.record(v.string(), v.string()));

function known<const T extends readonly string[]>(names: T): v.GenericSchema<unknown, T[number] | undefined> {
  return v.fallback(v.optional(v.picklist(names)), undefined);
}

const event = v.object({
  count: number,
  firstTimestamp: text,
  lastTimestamp: text,
  name: text,
  message: text,
  type: text,
}) satisfies v.GenericSchema<unknown, InstanceEvent>;

const state = v.object({
  state: text,
  startTime: text,
  exitCode: number,
  finishTime: text,
  detailStatus: text,
}) satisfies v.GenericSchema<unknown, ContainerState>;

const view = v.optional(
  v.object({
    restartCount: number,
    currentState: v.optional(state),
    previousState: v.optional(state),
    events: v.optional(v.array(event)),
  }),
) satisfies v.GenericSchema<unknown, ContainerInstanceView | undefined>;

const port = v.object({ protocol: known(["TCP", "UDP"]), port: v.number() }) satisfies v.GenericSchema<
  unknown,
  ContainerPort
>;
const environmentVariables = v.optional(v.array(v.object({ name: v.string(), value: text })));
const volumeMounts = v.optional(
  v.array(v.object({ name: v.string(), mountPath: v.string(), readOnly: v.optional(v.boolean()) })),
);
const amounts = v.object({ memoryInGB: v.number(), cpu: v.number() });

const container = v.object({
  name: v.string(),
  properties: v.object({
    image: text,
    command: strings,
    ports: v.optional(v.array(port)),
    environmentVariables,
    volumeMounts,
    resources: v.optional(v.object({ requests: amounts, limits: v.optional(v.partial(amounts)) })),
    instanceView: view,
  }),
}) satisfies v.GenericSchema<unknown, Container>;

const initContainer = v.object({
  name: v.string(),
  properties: v.object({ image: text, command: strings, environmentVariables, volumeMounts, instanceView: view }),
}) satisfies v.GenericSchema<unknown, InitContainerDefinition>;

const ipAddress = v.object({
  ports: v.optional(v.array(port), []),
  type: v.fallback(v.picklist(["Public", "Private"]), "Private"),
  ip: text,
  dnsNameLabel: text,
  fqdn: text,
}) satisfies v.GenericSchema<unknown, IpAddress>;

const group = v.object({
  id: text,
  name: text,
  location: text,
  tags,
  zones: strings,
  properties: v.object({
    provisioningState: text,
    containers: v.optional(v.array(container), []),
    initContainers: v.optional(v.array(initContainer)),
    restartPolicy: known(["Always", "OnFailure", "Never"]),
    ipAddress: v.optional(ipAddress),
    osType: v.fallback(v.picklist(["Linux", "Windows"]), "Linux"),
    subnetIds: v.optional(v.array(v.object({ id: v.string(), name: text }))),
    instanceView: v.optional(v.object({ events: v.optional(v.array(event)), state: text })),
    sku: known(["Standard", "Dedicated", "Confidential"]),
    priority: known(["Regular", "Spot"]),
  }),
});

export const groupAnswer: v.GenericSchema<unknown, ContainerGroup> = v.pipe(
  v.unknown(),
  v.transform(withoutNulls),
  group,
);

export const groupPage: v.GenericSchema<
  unknown,
  { readonly value: readonly ContainerGroup[]; readonly nextLink?: string | undefined }
> = v.pipe(v.unknown(), v.transform(withoutNulls), v.object({ value: v.optional(v.array(group), []), nextLink: text }));

/** The cloud writes null for what it has none of. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((each) => each !== null).map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([name, each]) => [name, withoutNulls(each)]),
  );
}
