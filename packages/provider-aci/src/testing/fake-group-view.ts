// How a container group is shown in answers: without secrets, with or without its instance view. Pure.

import type { ContainerGroup, IpAddress, Volume } from "../wire.ts";
import type { EnvironmentVariable } from "../wire-containers.ts";
import type { ContainerInstanceView, ContainerState, InstanceEvent } from "../wire-views.ts";

/** What has become of a group. */
export interface GroupFacts {
  readonly id: string;
  readonly name: string;
  /** As it was asked for, secrets included. */
  readonly body: ContainerGroup;
  readonly provisioningState: string;
  readonly state: string;
  readonly events: readonly InstanceEvent[];
  readonly ip: string | undefined;
  readonly containers: ReadonlyMap<string, ContainerFacts>;
}

export interface ContainerFacts {
  readonly restarts: number;
  readonly current: ContainerState;
  readonly previous: ContainerState | undefined;
  readonly events: readonly InstanceEvent[];
}

/** `whole`: as GET of one group has it; lists have no views. */
export function viewOf(facts: GroupFacts, whole: boolean): ContainerGroup {
  const { body, containers } = facts;
  const { properties, location, tags, zones, identity } = body;
  const view = (name: string): { readonly instanceView?: ContainerInstanceView } => {
    const found = containers.get(name);
    if (!whole || found === undefined) return {};
    const { restarts, current, previous, events } = found;
    return {
      instanceView: {
        restartCount: restarts,
        currentState: current,
        ...(previous === undefined ? {} : { previousState: previous }),
        events: [...events],
      },
    };
  };
  const shown = {
    ...properties,
    provisioningState: facts.provisioningState,
    containers: properties.containers.map((each) => ({
      name: each.name,
      properties: { ...each.properties, ...publicEnvironment(each.properties), ...view(each.name) },
    })),
    ...(properties.initContainers === undefined
      ? {}
      : {
          initContainers: properties.initContainers.map((each) => ({
            name: each.name,
            properties: { ...each.properties, ...publicEnvironment(each.properties), ...view(each.name) },
          })),
        }),
    ...publicParts(body),
    ...addressOf(properties, facts.ip),
    ...(whole ? { instanceView: { events: [...facts.events], state: facts.state } } : {}),
  };
  return {
    id: facts.id,
    name: facts.name,
    type: "Microsoft.ContainerInstance/containerGroups",
    ...present({ location, tags, zones, identity }),
    properties: shown,
  };
}

/** Groups in a subnet have an address, whether they asked for one or not. */
function addressOf(
  { ipAddress, subnetIds }: ContainerGroup["properties"],
  ip: string | undefined,
): { readonly ipAddress?: IpAddress } {
  if (ipAddress === undefined && subnetIds === undefined) return {};
  return { ipAddress: { ...(ipAddress ?? { type: "Private", ports: [] }), ...(ip === undefined ? {} : { ip }) } };
}

function publicEnvironment(of: { readonly environmentVariables?: readonly EnvironmentVariable[] | undefined }): {
  readonly environmentVariables?: readonly EnvironmentVariable[];
} {
  if (of.environmentVariables === undefined) return {};
  return {
    environmentVariables: of.environmentVariables.map(({ secureValue: _, ...rest }) => rest),
  };
}

function publicParts(body: ContainerGroup): Partial<ContainerGroup["properties"]> {
  const { imageRegistryCredentials, volumes, diagnostics, extensions } = body.properties;
  const analytics = diagnostics?.logAnalytics;
  return {
    ...(imageRegistryCredentials === undefined
      ? {}
      : { imageRegistryCredentials: imageRegistryCredentials.map(({ password: _, ...rest }) => rest) }),
    ...(volumes === undefined ? {} : { volumes: volumes.map(publicVolume) }),
    ...(analytics === undefined ? {} : { diagnostics: { logAnalytics: { ...analytics, workspaceKey: "" } } }),
    ...(extensions === undefined
      ? {}
      : {
          extensions: extensions.map(({ name, properties }) => {
            if (properties === undefined) return { name };
            const { protectedSettings: _, ...rest } = properties;
            return { name, properties: rest };
          }),
        }),
  };
}

function publicVolume(volume: Volume): Volume {
  if (volume.secret !== undefined) return { ...volume, secret: {} };
  if (volume.azureFile === undefined) return volume;
  const { storageAccountKey: _, ...rest } = volume.azureFile;
  return { ...volume, azureFile: rest };
}

function present<T extends object>(value: T): Partial<T> {
  const kept: Partial<T> = { ...value };
  for (const key of Object.keys(kept)) if (Reflect.get(kept, key) === undefined) Reflect.deleteProperty(kept, key);
  return kept;
}
