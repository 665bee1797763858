// A container as a task. Pure.
import type { PodSpec, ResolvedContainer, ResolvedPod } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, type PlacedContainer, withoutLateTexts } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import type { Driver } from "./drivers.ts";
import { refuseSecretArguments, taskEnvironment } from "./environment.ts";
import type { VariableItems } from "./files.ts";
import { type Fleet, taskResources } from "./resources.ts";
import { type Turn, turnScript } from "./start-order.ts";
import { authVariables, credentialOf, taskConfig } from "./task-config.ts";
import { taskVolumes } from "./volumes.ts";
import type { NomadRestartPolicy, NomadTask } from "./wire-job.ts";

export interface PodTaskOptions {
  readonly placed: PlacedContainer;
  readonly resolved: ResolvedContainer;
  readonly pod: ResolvedPod;
  readonly spec: PodSpec;
  readonly driver: Driver;
  /** Contents of the pod's files. */
  readonly files: VariableItems;
  /** Secret texts of this container. */
  readonly items: VariableItems;
  readonly config: NomadConfig;
  readonly fleet: Fleet;
  readonly networkMode: string;
  readonly turn: Turn | undefined;
  readonly restartPolicy: NomadRestartPolicy | undefined;
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: Nomad puts in the address of the client.
const hostAddress = "${attr.unique.network.ip-address}";

/** Throws Unsupported or Invalid with the field. */
export function podTask(options: PodTaskOptions): { readonly task: NomadTask; readonly notes: readonly CreateNote[] } {
  const { placed, resolved, pod, spec, driver, items, config, turn, networkMode } = options;
  const { container, kind, field } = placed;
  const { name } = container;
  refuseSecretArguments(container, resolved, field);
  const plain = withoutLateTexts(resolved, {
    ...{ field, spec: container, hostIPs: [hostAddress] },
    ...(networkMode === "host" ? { podIPs: hostAddress } : {}),
  });
  const process =
    turn === undefined
      ? plain
      : {
          command: ["/bin/sh", "-c", turnScript(turn), "vk"],
          args: [...(plain.command ?? []), ...(plain.args ?? [])],
        };
  const credential = credentialOf(resolved.image, pod.imageCredentials);
  const auth =
    credential === undefined
      ? []
      : [
          { name: authVariables.username, value: credential.username, secret: true as const },
          {
            name: authVariables.password,
            value: credential.identityToken ?? credential.password,
            secret: true as const,
          },
        ];
  const env = [...plain.env, ...auth].map((each) =>
    each.value === hostAddress ? { ...each, own: true as const } : each,
  );
  const environment = taskEnvironment(env, items, field);
  const volumes = taskVolumes(resolved.mounts, { spec, volumes: pod.volumes, driver, items: options.files, field });
  const amounts = taskResources(container, field, config, options.fleet);
  const { config: Config, user } = taskConfig({
    ...{ driver, container, image: resolved.image, process, binds: volumes.binds, spec, networkMode, field },
    hostname: pod.hostname,
    pullAlways: resolved.imagePullPolicy === "Always",
    ...{ hasAuth: credential !== undefined, isHardLimit: amounts.isHardLimit },
  });
  const templates = [...environment.templates, ...volumes.templates];
  const grace = spec.terminationGracePeriodSeconds ?? 30;
  const signal = container.lifecycle?.stopSignal;
  return {
    task: {
      ...{ Name: name, Driver: driver },
      ...(user === undefined ? {} : { User: user }),
      ...(kind === "main" ? {} : { Lifecycle: { Hook: "prestart", Sidecar: kind === "sidecar" } }),
      Config,
      ...(Object.keys(environment.env).length > 0 && { Env: environment.env }),
      ...(templates.length > 0 && { Templates: templates }),
      ...(options.restartPolicy === undefined ? {} : { RestartPolicy: options.restartPolicy }),
      Resources: amounts.resources,
      KillTimeout: grace * 1_000_000_000,
      KillSignal: signal ?? "SIGTERM",
      LogConfig: { MaxFiles: config.logs.maxFiles, MaxFileSizeMB: config.logs.maxFileSizeMB },
      ...(volumes.mounts.length > 0 && { VolumeMounts: volumes.mounts }),
    },
    notes: [
      ...amounts.notes,
      ...volumes.notes,
      ...(credential === undefined
        ? []
        : [
            {
              ...{ eventType: "Warning" as const, reason: "PullCredentials" },
              message: `container ${name}: Nomad's driver takes the credentials of its registry from the container's own environment, where it can read them`,
            },
          ]),
      ...interpolationNotes(name, process.args ?? [], process.command ?? []),
    ],
  };
}

/** Nomad replaces these in commands, whatever a shell was to make of them. */
function interpolationNotes(name: string, ...lists: readonly (readonly string[])[]): readonly CreateNote[] {
  const found = lists.flat().flatMap((text) => text.match(/\$\{[a-zA-Z0-9_\-.]+\}/g) ?? []);
  const others = [...new Set(found)].filter((each) => each !== hostAddress);
  if (others.length === 0) return [];
  const message = `container ${name}: Nomad itself puts in variables for ${others.join(", ")} of its command, where it knows them`;
  return [{ eventType: "Normal", reason: "FieldInterpreted", message }];
}
