// Which fields of a pod its provider cannot honour, so that it is refused early and the user told why. Pure.

import type { Stored } from "../kube/resource.ts";
import type {
  Container,
  EphemeralContainer,
  Pod,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
  Volume,
} from "../kube/types.gen.ts";
import type { Capabilities, PodFeature } from "../provider/capabilities.ts";
import { podRequests, quantities } from "../status/pod-resources.ts";
import { isSidecar } from "../status/restart-policy.ts";

/** One field that cannot be honoured. */
export interface FieldFault {
  /** Path in the pod, e.g. `spec.volumes[2].csi`. */
  readonly field: string;
  readonly message: string;
}

type AnyContainer = Container | EphemeralContainer;

/** A field that needs a feature, in the words of its path. */
interface Need {
  readonly field: string;
  readonly feature: PodFeature;
}

/** Every field that the provider cannot honour; a pod with any of them is not to be created. */
export function refusals(pod: Pod, capabilities: Capabilities): readonly FieldFault[] {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  return [
    ...featureFaults(spec, capabilities),
    ...envFileFaults(spec, capabilities),
    ...volumeFaults(spec, capabilities).filter(({ volume }) => !isApiAccess(volume)),
    ...limitFaults(pod, spec, capabilities),
  ].map(({ field, message }) => ({ field, message }));
}

/**
 * Fields that the provider cannot honour and the pod has to do without: the ServiceAccount token, which the API server
 * adds to every pod whether it is wanted or not. Refusing pods for that would leave none; the user is to be told of it.
 */
export function omissions(pod: Pod, capabilities: Capabilities): readonly FieldFault[] {
  return volumeFaults(pod.spec ?? { containers: [] }, capabilities)
    .filter(({ volume }) => isApiAccess(volume))
    .map(({ field }) => ({
      field,
      message: "the backend takes no projected volumes: the pod has no ServiceAccount token",
    }));
}

/** The pod as the provider runs it: without those volumes and their mounts. The same object where there are none. */
export function withoutOmissions(pod: Stored<Pod>, capabilities: Capabilities): Stored<Pod> {
  const { spec } = pod;
  const omitted = new Set(
    volumeFaults(spec ?? { containers: [] }, capabilities)
      .filter(({ volume }) => isApiAccess(volume))
      .map(({ volume }) => volume.name),
  );
  if (spec === undefined || omitted.size === 0) return pod;
  const mounting = <C extends AnyContainer>(container: C): C => ({
    ...container,
    volumeMounts: (container.volumeMounts ?? []).filter(({ name }) => !omitted.has(name)),
  });
  const { initContainers, ephemeralContainers } = spec;
  return {
    ...pod,
    spec: {
      ...spec,
      volumes: (spec.volumes ?? []).filter(({ name }) => !omitted.has(name)),
      containers: spec.containers.map(mounting),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(mounting) }),
      ...(ephemeralContainers === undefined ? {} : { ephemeralContainers: ephemeralContainers.map(mounting) }),
    },
  };
}

/** Mounted by the API server's ServiceAccount admission, not asked for by the user. */
function isApiAccess(volume: Volume): boolean {
  return volume.projected !== undefined && volume.name.startsWith("kube-api-access-");
}

const featureNames: Readonly<Record<PodFeature, string>> = {
  initContainers: "init containers",
  sidecarContainers: "sidecar containers",
  ephemeralContainers: "ephemeral containers",
  probes: "probes",
  lifecycleHooks: "lifecycle hooks",
  hostNetwork: "the host's network",
  hostPID: "the host's process namespace",
  hostIPC: "the host's IPC namespace",
  hostPorts: "host ports",
  hostUsers: "user namespaces",
  privileged: "privileged containers",
  securityContext: "this security setting",
  tty: "interactive containers",
  resourceClaims: "resource claims",
  windows: "Windows containers",
};

function featureFaults(spec: PodSpec, { features }: Capabilities): readonly FieldFault[] {
  if (features === undefined) return [];
  return [...needs(spec)]
    .filter(({ feature }) => !features.includes(feature))
    .map(({ field, feature }) => ({ field, message: `the backend does not support ${featureNames[feature]}` }));
}

function envFileFaults(spec: PodSpec, { resolve, envFiles }: Capabilities): readonly FieldFault[] {
  if (resolve !== true || envFiles === true) return [];
  return (["initContainers", "containers", "ephemeralContainers"] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ env = [] }, index) =>
      env.flatMap(({ valueFrom }, place) =>
        valueFrom?.fileKeyRef === undefined
          ? []
          : [
              {
                field: `spec.${list}[${index}].env[${place}].valueFrom.fileKeyRef`,
                message: "the backend does not support variables from files in volumes",
              },
            ],
      ),
    ),
  );
}

function* needs(spec: PodSpec): Generator<Need> {
  if (spec.hostNetwork === true) yield { field: "spec.hostNetwork", feature: "hostNetwork" };
  if (spec.hostPID === true) yield { field: "spec.hostPID", feature: "hostPID" };
  if (spec.hostIPC === true) yield { field: "spec.hostIPC", feature: "hostIPC" };
  // true is what every container had before there was the field.
  if (spec.hostUsers === false) yield { field: "spec.hostUsers", feature: "hostUsers" };
  if (spec.os?.name === "windows") yield { field: "spec.os.name", feature: "windows" };
  for (const index of (spec.resourceClaims ?? []).keys()) {
    yield { field: `spec.resourceClaims[${index}]`, feature: "resourceClaims" };
  }
  yield* securityNeeds(spec.securityContext, "spec.securityContext");
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const path = `spec.initContainers[${index}]`;
    if (isSidecar(container)) yield { field: `${path}.restartPolicy`, feature: "sidecarContainers" };
    else yield { field: path, feature: "initContainers" };
    yield* containerNeeds(container, path, spec);
  }
  for (const [index, container] of spec.containers.entries()) {
    yield* containerNeeds(container, `spec.containers[${index}]`, spec);
  }
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = `spec.ephemeralContainers[${index}]`;
    yield { field: path, feature: "ephemeralContainers" };
    yield* containerNeeds(container, path, spec);
  }
}

function* containerNeeds(container: AnyContainer, path: string, spec: PodSpec): Generator<Need> {
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    if (container[probe] !== undefined) yield { field: `${path}.${probe}`, feature: "probes" };
  }
  for (const hook of ["postStart", "preStop"] as const) {
    if (container.lifecycle?.[hook] !== undefined) {
      yield { field: `${path}.lifecycle.${hook}`, feature: "lifecycleHooks" };
    }
  }
  for (const [index, port] of (container.ports ?? []).entries()) {
    // With the host's network the API server fills in hostPort for every port.
    if (port.hostPort && spec.hostNetwork !== true) {
      yield { field: `${path}.ports[${index}].hostPort`, feature: "hostPorts" };
    }
  }
  for (const field of ["stdin", "tty"] as const) {
    if (container[field] === true) yield { field: `${path}.${field}`, feature: "tty" };
  }
  for (const index of (container.resources?.claims ?? []).keys()) {
    yield { field: `${path}.resources.claims[${index}]`, feature: "resourceClaims" };
  }
  yield* securityNeeds(container.securityContext, `${path}.securityContext`);
}

/** Values that ask for nothing beyond what any container has. */
const undemanding: Readonly<Record<string, unknown>> = {
  allowPrivilegeEscalation: true,
  privileged: false,
  procMount: "Default",
  readOnlyRootFilesystem: false,
  runAsNonRoot: false,
  supplementalGroupsPolicy: "Merge",
};

function* securityNeeds(context: SecurityContext | PodSecurityContext | undefined, path: string): Generator<Need> {
  for (const [key, value] of Object.entries(context ?? {})) {
    if (value === undefined || value === null || value === undemanding[key] || isEmpty(value)) continue;
    // For pods that may be of either system; `os` says what is of Windows alone.
    if (key === "windowsOptions") continue;
    yield { field: `${path}.${key}`, feature: key === "privileged" ? "privileged" : "securityContext" };
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

interface VolumeFault extends FieldFault {
  readonly volume: Volume;
}

function volumeFaults(spec: PodSpec, { volumes }: Capabilities): readonly VolumeFault[] {
  if (volumes === undefined) return [];
  const known = new Set<string>(volumes);
  return (spec.volumes ?? []).flatMap((volume, index) =>
    Object.keys(volume)
      .filter((key) => key !== "name" && !known.has(key))
      .map((kind) => ({
        volume,
        field: `spec.volumes[${index}].${kind}`,
        message: `the backend does not support ${kind} volumes`,
      })),
  );
}

function limitFaults(pod: Pod, spec: PodSpec, { limits }: Capabilities): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  const count = spec.containers.length + (spec.initContainers?.length ?? 0);
  if (limits?.containers !== undefined && count > limits.containers) {
    const message = `the pod has ${count} containers, the backend takes at most ${limits.containers}`;
    faults.push({ field: "spec.containers", message });
  }
  if (limits?.requests === undefined) return faults;
  const requests = podRequests(pod);
  for (const [name, most] of quantities(limits.requests)) {
    const requested = requests.get(name) ?? 0n;
    if (requested <= most) continue;
    const unit = name === "cpu" ? "m" : "";
    const text = limits.requests[name] ?? "";
    const message = `the pod requests ${requested}${unit} of ${name}, the backend gives at most ${text}`;
    faults.push({ field: requestField(spec, name), message });
  }
  return faults;
}

/** The one container that requests the resource, or all of them. */
function requestField(spec: PodSpec, name: string): string {
  if (spec.resources?.requests?.[name] !== undefined) return `spec.resources.requests[${name}]`;
  const lists = { containers: spec.containers, initContainers: spec.initContainers ?? [] };
  const fields = Object.entries(lists).flatMap(([list, containers]) =>
    containers.flatMap((container, index) =>
      container.resources?.requests?.[name] === undefined ? [] : [`spec.${list}[${index}].resources.requests[${name}]`],
    ),
  );
  return fields.length === 1 && fields[0] !== undefined ? fields[0] : `spec.containers[*].resources.requests[${name}]`;
}
