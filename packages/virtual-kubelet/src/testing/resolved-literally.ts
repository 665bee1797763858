// Pods of tests that refer to nothing: resolved by what their spec says literally.

import type { PodRequest } from "../provider/pods.ts";

/** As the core would hand it over. */
export function withResolved(request: PodRequest): PodRequest {
  const { spec } = request.pod;
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return {
    ...request,
    resolved: {
      hostname: request.owner.name.slice(0, 63),
      setHostnameAsFQDN: false,
      volumes: [],
      imageCredentials: [],
      containers: all.map(({ name, image, command, args, env }) => ({
        ...{ name, image: image ?? "", imagePullPolicy: "IfNotPresent" as const, mounts: [] },
        ...(command !== undefined && { command }),
        ...(args !== undefined && { args }),
        env: (env ?? []).map((each) => ({ name: each.name, value: each.value ?? "" })),
      })),
    },
  };
}
