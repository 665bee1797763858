// A client that tells of the requests that are about one pod; it changes none of them.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient, ObjectRef } from "../kube/client.ts";
import type { KubeObject, Resource } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import type { PodReference, ProcessObserver } from "./observer.ts";

/** Names of Event objects whose pod is known: who repeats one names the Event alone. */
const rememberedEvents = 1000;

export function observedClient(client: KubeClient, observer: ProcessObserver): KubeClient {
  const eventPods = new Map<string, string>();

  async function tell<T>(
    what: string,
    pod: PodReference | undefined,
    detail: string | undefined,
    request: () => Promise<T>,
  ): Promise<T> {
    if (pod === undefined) return request();
    const ended = observer.apiCall(what, pod, detail);
    try {
      const answer = await request();
      ended();
      return answer;
    } catch (error) {
      ended(VirtualKubeletError.from(error));
      throw error;
    }
  }

  const name = (verb: string, of: Resource<KubeObject>, subresource?: string): string =>
    `${verb} ${of.plural}${subresource === undefined ? "" : `/${subresource}`}`;

  /** The pod that an object is, or that an Event is about. */
  const podOf = (of: Resource<KubeObject>, object: KubeObject): PodReference | undefined => {
    if (of.plural === "pods" && object.metadata?.uid !== undefined) return { uid: object.metadata.uid };
    if (of.plural !== "events" || !("involvedObject" in object)) return undefined;
    const { involvedObject } = object;
    if (!isObject(involvedObject) || involvedObject["kind"] !== "Pod") return undefined;
    const { uid } = involvedObject;
    if (typeof uid !== "string") return undefined;
    const event = object.metadata?.name;
    if (event !== undefined) {
      eventPods.set(event, uid);
      const [oldest] = eventPods.size > rememberedEvents ? eventPods.keys() : [];
      if (oldest !== undefined) eventPods.delete(oldest);
    }
    return { uid };
  };

  const referred = (of: Resource<KubeObject>, ref: ObjectRef): PodReference | undefined => {
    if (of.plural === "pods" && ref.namespace !== undefined) return { namespace: ref.namespace, name: ref.name };
    const uid = of.plural === "events" ? eventPods.get(ref.name) : undefined;
    return uid === undefined ? undefined : { uid };
  };

  return {
    server: client.server,
    get: (of, ref, options) => tell(name("get", of), referred(of, ref), undefined, () => client.get(of, ref, options)),
    list: (of, options) => client.list(of, options),
    watch: (of, options) => client.watch(of, options),
    create: (of, object, options) =>
      tell(name("create", of, options?.subresource), podOf(of, object), reasonOf(object), () =>
        client.create(of, object, options),
      ),
    replace: (of, object, options) =>
      tell(name("replace", of, options?.subresource), podOf(of, object), phaseOf(object), () =>
        client.replace(of, object, options),
      ),
    replaceMeta: (of, object, options) =>
      tell(name("replace", of, options?.subresource), podOf(of, object), phaseOf(object), () =>
        client.replaceMeta(of, object, options),
      ),
    patch: (of, ref, type, patch, options) =>
      tell(name("patch", of, options?.subresource), referred(of, ref), phaseOf(patch), () =>
        client.patch(of, ref, type, patch, options),
      ),
    patchMeta: (of, ref, type, patch, options) =>
      tell(name("patch", of, options?.subresource), referred(of, ref), phaseOf(patch), () =>
        client.patchMeta(of, ref, type, patch, options),
      ),
    delete: (of, ref, options) => {
      const byUid = of.plural === "pods" && options?.uid !== undefined ? { uid: options.uid } : referred(of, ref);
      const grace = options?.gracePeriodSeconds;
      const detail = grace === undefined ? undefined : `grace ${grace} s`;
      return tell(name("delete", of), byUid, detail, () => client.delete(of, ref, options));
    },
    createSubresource: (of, ref, subresource, body, options) =>
      tell(name("create", of, subresource), boundPod(body), ref.name, () =>
        client.createSubresource(of, ref, subresource, body, options),
      ),
    review: (of, question, options) => client.review(of, question, options),
    getRaw: (path, options) => client.getRaw(path, options),
    close: () => client.close(),
  };
}

/** The phase that a status has which is written. */
function phaseOf(value: unknown): string | undefined {
  const status = isObject(value) ? value["status"] : undefined;
  const phase = isObject(status) ? status["phase"] : undefined;
  return typeof phase === "string" ? `phase ${phase}` : undefined;
}

function reasonOf(object: KubeObject): string | undefined {
  return "reason" in object && typeof object.reason === "string" ? object.reason : undefined;
}

/** The pod that a token is bound to. */
function boundPod(body: unknown): PodReference | undefined {
  const spec = isObject(body) ? body["spec"] : undefined;
  const bound = isObject(spec) ? spec["boundObjectRef"] : undefined;
  const uid = isObject(bound) && bound["kind"] === "Pod" ? bound["uid"] : undefined;
  return typeof uid === "string" ? { uid } : undefined;
}
