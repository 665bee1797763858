// Which texts of a container group are secrets. Pure.
import type { ContainerGroup } from "../wire.ts";

/** Every one that no message may hold. */
export function secretsOf(group: ContainerGroup): readonly string[] {
  const { containers, initContainers, imageRegistryCredentials, volumes, diagnostics, extensions } = group.properties;
  const environment = [...containers, ...(initContainers ?? [])].flatMap(
    (container) => container.properties.environmentVariables ?? [],
  );
  return [
    ...environment.map((variable) => variable.secureValue),
    ...(imageRegistryCredentials ?? []).map((credential) => credential.password),
    ...(volumes ?? []).flatMap((volume) => [
      volume.azureFile?.storageAccountKey,
      ...Object.values(volume.secret ?? {}),
    ]),
    diagnostics?.logAnalytics?.workspaceKey,
    ...(extensions ?? []).flatMap((extension) => textsIn(extension.properties?.protectedSettings)),
  ].flatMap((text) => (text === undefined || text === "" ? [] : [text]));
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
