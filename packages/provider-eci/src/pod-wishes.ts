// What pods ask of the cloud by annotations, under the names that the vendor's own virtual nodes have for them. What would give a pod
// more than its node has (networks, roles, public addresses) must be allowed by the configuration. Pure.
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ignored, invalid, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import { AnnotationValues } from "./annotation-values.ts";
import type { EciConfig } from "./config.ts";
import { dataCacheWishes, imageWishes, networkWishes, sysctlWishes } from "./pod-wishes-more.ts";
import { fitsPattern } from "./wildcard.ts";
import type { CreateContainerGroupRequest } from "./wire.ts";

export const prefix = "k8s.aliyun.com/";

/** Parts of the request, as far as annotations and the configuration say them. */
export interface PodWishes {
  readonly request: Partial<CreateContainerGroupRequest>;
  /** Cores and GiB of the whole group, in place of what its containers ask for. */
  readonly size?: { readonly cpu: number; readonly memory: number } | undefined;
  /** GiB beyond what is free. */
  readonly extraStorage?: number | undefined;
  readonly notes: readonly CreateNote[];
}

const size = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi$/;

/** Throws Unsupported or Invalid with the annotation. */
export function wishesOf({ metadata }: Pod, config: EciConfig): PodWishes {
  const values = new AnnotationValues(metadata?.annotations ?? {});
  const network = placement(values, config);
  const types =
    values.list(
      `${prefix}eci-use-specs`,
      /^(\d+(\.\d+)?-\d+(\.\d+)?Gi|ecs(\.[a-z0-9-]+)+)$/,
      "cores and memory like 2-4Gi, or an ECS instance type like ecs.c6.xlarge",
    ) ?? config.instanceTypes;
  const [, cpu, memory] = types.length === 1 ? (size.exec(types[0] ?? "") ?? []) : [];
  const own = cpu === undefined ? undefined : { cpu: Number(cpu), memory: Number(memory) };
  const categories = values.list(`${prefix}eci-compute-category`, /^(general|economy)$/, "general or economy");
  const extra = values.matched(`${prefix}eci-extra-ephemeral-storage`, /^\d+Gi$/, "like 50Gi");
  const request: Partial<CreateContainerGroupRequest> = {
    ...network,
    ...(types.length > 0 && own === undefined && { InstanceType: types.join(",") }),
    ...cpuOptions(values),
    ...categoriesOf(categories ?? config.computeCategories),
    ...(config.architecture === "ARM64" && { CpuArchitecture: config.architecture }),
    ...defined(
      "GpuDriverVersion",
      values.matched(`${prefix}eci-gpu-driver-version`, /^[\w.=-]+$/, "like tesla=525.85.12"),
    ),
    ...spot(values, config),
    ...networkWishes(values, config),
    ...imageWishes(values, config),
    ...dataCacheWishes(values),
    ...sysctlWishes(values),
    ...defined("CorePattern", values.matched(`${prefix}eci-core-pattern`, /^\/[^|]*$/, "a path")),
  };
  refuseOthers(values);
  const notes = values
    .unread(`${prefix}eci-`)
    .concat(values.unread(`${prefix}eip-`))
    .map((key) => ignored(AnnotationValues.field(key), "is not known to this provider"));
  return {
    request,
    ...(own !== undefined && { size: own }),
    ...(extra !== undefined && { extraStorage: Number.parseInt(extra, 10) }),
    notes,
  };
}

function placement(values: AnnotationValues, config: EciConfig): Partial<CreateContainerGroupRequest> {
  const { network, allowed } = config;
  const vSwitches = allowedOf(values, "eci-vswitch", /^vsw-[0-9a-z]+$/, allowed.vSwitches, "vSwitches");
  const groups = allowedOf(values, "eci-security-group", /^sg-[0-9a-z]+$/, allowed.securityGroups, "securityGroups");
  const roles = allowedOf(values, "eci-ram-role-name", /^[\w.-]+$/, allowed.ramRoles, "ramRoles");
  const resource = allowedOf(
    values,
    "eci-resource-group-id",
    /^rg-[0-9a-z]+$/,
    allowed.resourceGroups,
    "resourceGroups",
  );
  const role = roles?.[0] ?? config.ramRole;
  const switches = vSwitches ?? network.vSwitches;
  const strategy =
    values.oneOf(`${prefix}eci-schedule-strategy`, ["VSwitchOrdered", "VSwitchRandom"]) ?? network.scheduleStrategy;
  return {
    VSwitchId: switches.join(","),
    SecurityGroupId: (groups ?? [network.securityGroup]).join(","),
    ...(switches.length > 1 && { ScheduleStrategy: strategy }),
    ...(role !== "" && { RamRoleName: role }),
    ...(resource !== undefined && { ResourceGroupId: resource[0] }),
  };
}

function allowedOf(
  values: AnnotationValues,
  name: string,
  pattern: RegExp,
  allowed: readonly string[],
  setting: string,
): readonly string[] | undefined {
  const key = `${prefix}${name}`;
  const all = values.list(
    key,
    pattern,
    `like ${name === "eci-ram-role-name" ? "the name of a role" : pattern.source.replace(/\^(\w+)-.*/, "$1-0123abcd")}`,
  );
  for (const each of all ?? [])
    if (!allowed.some((one) => fitsPattern(each, one)))
      throw unsupported(
        AnnotationValues.field(key),
        `${each} is not among allowed.${setting} of the provider's configuration`,
      );
  return all;
}

function categoriesOf(categories: readonly string[]): Partial<CreateContainerGroupRequest> {
  return categories.length === 0 ? {} : { ComputeCategory: categories };
}

function cpuOptions(values: AnnotationValues): Partial<CreateContainerGroupRequest> {
  const core = values.whole(`${prefix}eci-cpu-option-core`, 1, 1000);
  const threads = values.whole(`${prefix}eci-cpu-option-ht`, 1, 2);
  return { ...defined("CpuOptionsCore", core), ...defined("CpuOptionsThreadsPerCore", threads) };
}

function spot(values: AnnotationValues, config: EciConfig): Partial<CreateContainerGroupRequest> {
  const key = `${prefix}eci-spot-strategy`;
  const limitKey = `${prefix}eci-spot-price-limit`;
  const strategy = values.oneOf(key, ["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"]);
  const limit = values.matched(limitKey, /^\d+(\.\d{1,3})?$/, "a price with at most three decimals");
  const duration = values.whole(`${prefix}eci-spot-duration`, 0, 1);
  if (values.flag(`${prefix}eci-spot-fallback`) === true)
    throw unsupported(
      AnnotationValues.field(`${prefix}eci-spot-fallback`),
      "the API of the cloud has no such parameter",
    );
  const chosen = strategy ?? config.spot?.strategy ?? "NoSpot";
  if (chosen === "NoSpot") return {};
  const price = limit === undefined ? (strategy === undefined ? config.spot?.priceLimit : undefined) : Number(limit);
  if (chosen === "SpotWithPriceLimit" && price === undefined)
    throw invalid(AnnotationValues.field(limitKey), "is required with SpotWithPriceLimit");
  return {
    SpotStrategy: chosen,
    ...(chosen === "SpotWithPriceLimit" && defined("SpotPriceLimit", price)),
    SpotDuration: duration ?? config.spot?.duration ?? 1,
  };
}

/** What the vendor's own virtual nodes do before they call the API, which has no parameter for it. */
function refuseOthers(values: AnnotationValues): void {
  for (const name of ["eci-instance-family", "eci-instance-generation"])
    if (values.text(prefix + name) !== undefined)
      throw unsupported(
        AnnotationValues.field(prefix + name),
        `the API of the cloud has no such parameter: name types by ${prefix}eci-use-specs`,
      );
}

/** Nothing where there is no value. */
function defined<K extends keyof CreateContainerGroupRequest>(
  key: K,
  value: CreateContainerGroupRequest[K],
): Partial<CreateContainerGroupRequest> {
  const out: Partial<Record<K, CreateContainerGroupRequest[K]>> = {};
  if (value !== undefined) out[key] = value;
  return out;
}
