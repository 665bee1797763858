// Texts of a request that no message may hold. Pure.
import type { CreateContainerGroupRequest } from "../wire.ts";

export function secretsOf({
  Container,
  InitContainer = [],
  Volume = [],
  ImageRegistryCredential = [],
}: CreateContainerGroupRequest): readonly string[] {
  return [
    ...[...Container, ...InitContainer].flatMap(({ EnvironmentVar = [] }) =>
      EnvironmentVar.flatMap(({ Value }) => Value ?? []),
    ),
    ...Volume.flatMap(({ ConfigFileVolume }) => ConfigFileVolume?.ConfigFileToPath ?? []).flatMap(({ Content }) => [
      Content,
      Buffer.from(Content, "base64").toString(),
    ]),
    ...Volume.flatMap(({ FlexVolume }) => FlexVolume?.Options ?? []),
    ...ImageRegistryCredential.map(({ Password }) => Password),
  ];
}
