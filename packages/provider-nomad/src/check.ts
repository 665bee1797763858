// What the Nomad provider needs, looked at before it is started: for `virtual-kubelet doctor`. Nothing is made.
import { type CallContext, errorText, isErrorKind, type ProviderCheck } from "@virtual-kubelet/virtual-kubelet";
import type { NomadConfig } from "./config.ts";
import { fleetOf, mhzPerCore } from "./fleet.ts";
import { jobPrefix } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import type { NomadNode } from "./wire-node.ts";

type Asked = Pick<
  NomadClient,
  "leader" | "agentSelf" | "listJobs" | "listNodes" | "listVariables" | "memoryOversubscription"
>;

export async function nomadChecks(
  client: Asked,
  config: NomadConfig,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  let leader = "";
  try {
    leader = await client.leader(context);
  } catch (error) {
    const isWithout = /no cluster leader/i.test(errorText(error));
    const fix = "see whether an agent of Nomad answers at `address` (NOMAD_ADDR), with these settings of TLS";
    if (!isWithout) return [{ name: "address", status: "fail", message: errorText(error), fix }];
  }
  const address: ProviderCheck = { name: "address", status: "ok", message: `${config.address} answers` };
  if (leader === "")
    return [
      address,
      { name: "leader", status: "fail", message: "the servers have no leader", fix: "see to Nomad's servers" },
    ];
  return [
    address,
    { name: "leader", status: "ok", message: `${leader} leads` },
    await rightCheck("right to list jobs", "the capability list-jobs and read-job", async () => {
      const filter = `ID matches "^${jobPrefix}"`;
      const jobs = await client.listJobs({ filter }, context);
      return `${jobs.length} jobs of pods are in the namespace ${config.namespace}`;
    }),
    await rightCheck(
      "right to list variables",
      "list, read, write and destroy for variables nomad/jobs/*",
      async () => {
        const paths = await client.listVariables(`nomad/jobs/${jobPrefix}`, context);
        return `${paths.length} variables of pods are in the namespace ${config.namespace}`;
      },
    ),
    ...(await fleetChecks(client, config, context)),
    await memoryCheck(client, context),
  ];
}

async function rightCheck(name: string, capability: string, ask: () => Promise<string>): Promise<ProviderCheck> {
  try {
    return { name, status: "ok", message: await ask() };
  } catch (error) {
    const isDenied = isErrorKind(error, "Forbidden", "Unauthorized");
    const fix = isDenied ? `give the policy of the token ${capability}` : "try again";
    return { name, status: "fail", message: errorText(error), fix };
  }
}

/** Of the clients that pods can go to. Undefined: they say nothing of networks, or have one of the mode. */
export function networkCheck(fleet: readonly NomadNode[], { network }: NomadConfig): ProviderCheck | undefined {
  const known = fleet.flatMap(({ NodeResources }) => NodeResources?.NodeNetworks ?? []);
  if (network.mode === "none" || known.length === 0) return undefined;
  if (known.some(({ Mode }) => Mode === network.mode)) return undefined;
  const modes = [...new Set(known.map(({ Mode = "" }) => Mode))].sort().join(", ");
  return {
    ...{ name: "network", status: "fail", message: `no client has a network of the mode ${network.mode}: ${modes}` },
    fix: "see network.mode of the configuration; bridge needs the plugins of CNI on clients, cni/NAME their configuration",
  };
}

async function fleetChecks(
  client: Asked,
  config: NomadConfig,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const name = "clients";
  try {
    const { value } = await client.listNodes({}, context);
    const fleet = fleetOf(value, config);
    const drivers = config.allowedDrivers.join(", ");
    if (fleet.length === 0)
      return [
        {
          ...{
            name,
            status: "fail",
            message: `none of ${value.length} clients is ready and has a driver of ${drivers}`,
          },
          fix: "see nodePool, datacenters and driver of the configuration, and `nomad node status`",
        },
      ];
    const clock = Math.round(mhzPerCore(fleet) ?? 0);
    const network = networkCheck(fleet, config);
    return [
      {
        ...{ name, status: "ok" },
        message: `${fleet.length} of ${value.length} clients are ready with a driver of ${drivers}, their cores have ${clock} MHz`,
      },
      ...(network === undefined ? [] : [network]),
    ];
  } catch (error) {
    const isDenied = isErrorKind(error, "Forbidden", "Unauthorized");
    const fix = isDenied ? 'give the policy of the token node { policy = "read" }' : "try again";
    return [{ name, status: "fail", message: errorText(error), fix }];
  }
}

async function memoryCheck(client: Asked, context: CallContext): Promise<ProviderCheck> {
  const name = "memory beyond requests";
  try {
    const may = await client.memoryOversubscription(context);
    if (may === true) return { name, status: "ok", message: "memory may be oversubscribed: limits are above requests" };
    const message =
      may === undefined
        ? "the token may not ask whether memory may be oversubscribed: limits are held"
        : "memory may not be oversubscribed: for each container its limit is held";
    return { name, status: "warn", message, fix: "nomad operator scheduler set-config -memory-oversubscription=true" };
  } catch (error) {
    return { name, status: "warn", message: errorText(error), fix: "try again" };
  }
}
