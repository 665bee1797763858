// Pods of tests that refer to nothing: resolved by what their spec says literally.

import type { PodRequest } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";

/** The provider, given such pods. */
export function resolvedLiterally(provider: Provider): Provider {
  return new Proxy(provider, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key === "createPod" || key === "updatePod")
        return (request: PodRequest, ...rest: unknown[]): unknown =>
          Reflect.apply(value, target, [withResolved(request), ...rest]);
      return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
    },
  });
}

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
