// A KubeClient made of the verbs that a test scripts; each other verb fails.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";

export function scriptedClient(verbs: Partial<KubeClient>): KubeClient {
  const refuse = (verb: string) => (): never => {
    throw new VirtualKubeletError("Unsupported", `the test's client has no ${verb}`);
  };
  return {
    server: "https://scripted.test",
    get: refuse("get"),
    list: refuse("list"),
    watch: refuse("watch"),
    create: refuse("create"),
    replace: refuse("replace"),
    replaceMeta: refuse("replaceMeta"),
    patch: refuse("patch"),
    patchMeta: refuse("patchMeta"),
    delete: refuse("delete"),
    review: refuse("review"),
    createSubresource: refuse("createSubresource"),
    getRaw: refuse("getRaw"),
    close: () => Promise.resolve(),
    ...verbs,
  };
}
