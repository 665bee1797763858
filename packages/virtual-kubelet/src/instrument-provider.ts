// Wraps a provider once, so that each of its calls is counted, timed, traced and told in the debug log; nothing else changes.
import type { Duplex } from "node:stream";
import { VirtualKubeletError } from "./errors.ts";
import type { Pod } from "./kube/types.gen.ts";
import type { Metrics } from "./metrics.ts";
import type { PodFailure, PodOwner, PodRequest } from "./provider/pods.ts";
import type { ContainerIO, ContainerLogOptions, ContainerTarget, PodTarget } from "./provider/streams.ts";
import type { CallContext, Provider } from "./provider.ts";
import type { ResolvedVolume } from "./resolved-pod.ts";
import { span } from "./trace.ts";
import type { ProcessObserver } from "./view/observer.ts";

export interface InstrumentOptions {
  readonly node: string;
  readonly metrics: Metrics;
  /** Told of the calls about pods. */
  readonly observer?: Pick<ProcessObserver, "providerCall"> | undefined;
}

/** Methods that the provider lacks stay absent. Errors pass unchanged. */
export function instrumentProvider(provider: Provider, { node, metrics, observer }: InstrumentOptions): Provider {
  async function call<T>(
    method: string,
    owner: PodOwner | undefined,
    context: CallContext,
    work: () => Promise<T>,
  ): Promise<T> {
    const began = performance.now();
    const told = owner === undefined ? undefined : observer?.providerCall(method, owner);
    const ended = (outcome: string, error?: unknown): void => {
      const seconds = (performance.now() - began) / 1000;
      metrics.providerCalls.inc({ node, method, outcome });
      metrics.providerCallDuration.observe({ method }, seconds);
      const fields = {
        method,
        outcome,
        ms: Math.round(seconds * 1000),
        ...(error === undefined ? {} : { err: error }),
      };
      context.log.debug(fields, "provider call");
    };
    const attributes = {
      "k8s.node.name": node,
      "k8s.namespace.name": owner?.namespace,
      "k8s.pod.name": owner?.name,
      "k8s.pod.uid": owner?.uid,
    };
    // Within the span, so that the line of the log leads to it.
    return span(`provider.${method}`, attributes, async () => {
      try {
        const result = await work();
        ended("ok");
        told?.();
        return result;
      } catch (thrown) {
        const error = VirtualKubeletError.from(thrown);
        ended(error.kind, thrown);
        told?.(error);
        throw thrown;
      }
    });
  }

  /** A stream lasts as long as it lasts: only how it ends is counted. */
  async function* stream<T>(method: string, context: CallContext, open: () => AsyncIterable<T>): AsyncIterable<T> {
    let outcome = "ok";
    context.log.debug({ method }, "provider stream begins");
    try {
      yield* open();
    } catch (error) {
      outcome = VirtualKubeletError.from(error).kind;
      throw error;
    } finally {
      metrics.providerCalls.inc({ node, method, outcome });
      context.log.debug({ method, outcome }, "provider stream ended");
    }
  }

  const {
    stopPod,
    updatePod,
    updateVolumes,
    watchPods,
    watchNode,
    ping,
    configureNode,
    getProbeMetrics,
    billedSize,
    [Symbol.asyncDispose]: dispose,
  } = provider;
  const { getContainerLogs, runInContainer, attachToContainer, portForward, getStatsSummary } = provider;
  return {
    capabilities: provider.capabilities,
    createPod: (request, context) =>
      call("createPod", request.owner, context, () => provider.createPod(request, context)),
    deletePod: (owner, options, context) =>
      call("deletePod", owner, context, () => provider.deletePod(owner, options, context)),
    ...(stopPod && {
      stopPod: (
        owner: PodOwner,
        options: { readonly gracePeriodSeconds: number; readonly failure?: PodFailure | undefined },
        context: CallContext,
      ) => call("stopPod", owner, context, () => stopPod.call(provider, owner, options, context)),
    }),
    getPodStatus: (owner, context) => call("getPodStatus", owner, context, () => provider.getPodStatus(owner, context)),
    getPods: (context) => call("getPods", undefined, context, () => provider.getPods(context)),
    ...(updatePod && {
      updatePod: (request: PodRequest, context: CallContext) =>
        call("updatePod", request.owner, context, () => updatePod.call(provider, request, context)),
    }),
    ...(updateVolumes && {
      updateVolumes: (owner: PodOwner, volumes: readonly ResolvedVolume[], context: CallContext) =>
        call("updateVolumes", owner, context, () => updateVolumes.call(provider, owner, volumes, context)),
    }),
    ...(watchPods && {
      watchPods: (context: CallContext) => stream("watchPods", context, () => watchPods.call(provider, context)),
    }),
    ...(watchNode && {
      watchNode: (context: CallContext) => stream("watchNode", context, () => watchNode.call(provider, context)),
    }),
    ...(ping && {
      ping: (context: CallContext) => call("ping", undefined, context, () => ping.call(provider, context)),
    }),
    ...(configureNode && {
      configureNode: (node: Parameters<typeof configureNode>[0], context: CallContext) =>
        call("configureNode", undefined, context, () => configureNode.call(provider, node, context)),
    }),
    // A log is answered with a stream: what is counted is the answer, the stream passes as it is.
    ...(getContainerLogs && {
      getContainerLogs: (target: ContainerTarget, options: ContainerLogOptions, context: CallContext) =>
        call("getContainerLogs", target.owner, context, () =>
          getContainerLogs.call(provider, target, options, context),
        ),
    }),
    ...(runInContainer && {
      runInContainer: (target: ContainerTarget, command: readonly string[], io: ContainerIO, context: CallContext) =>
        call("runInContainer", target.owner, context, () =>
          runInContainer.call(provider, target, command, io, context),
        ),
    }),
    ...(attachToContainer && {
      attachToContainer: (target: ContainerTarget, io: ContainerIO, context: CallContext) =>
        call("attachToContainer", target.owner, context, () => attachToContainer.call(provider, target, io, context)),
    }),
    ...(portForward && {
      portForward: (target: PodTarget, port: number, connection: Duplex, context: CallContext) =>
        call("portForward", target.owner, context, () => portForward.call(provider, target, port, connection, context)),
    }),
    ...(getStatsSummary && {
      getStatsSummary: (context: CallContext) =>
        call("getStatsSummary", undefined, context, () => getStatsSummary.call(provider, context)),
    }),
    // Figures at hand, no calls of a backend.
    ...(getProbeMetrics && { getProbeMetrics: () => getProbeMetrics.call(provider) }),
    ...(billedSize && { billedSize: (pod: Pod) => billedSize.call(provider, pod) }),
    ...(dispose && { [Symbol.asyncDispose]: () => dispose.call(provider) }),
  };
}
