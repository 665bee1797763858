// What the ECI provider needs of the account, looked at before it is started: for `virtual-kubelet doctor`. Nothing is made.
import { type CallContext, errorText, isErrorKind, type ProviderCheck } from "@virtual-kubelet/virtual-kubelet";
import type { EciConfig } from "./config.ts";
import type { EciClient } from "./eci-client.ts";

type Asked = Pick<EciClient, "ping" | "usage" | "dryRun" | "log">;

export async function eciChecks(
  client: Asked,
  config: EciConfig,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const { region } = config;
  try {
    await client.ping(context);
  } catch (error) {
    return [reached(error, region)];
  }
  return [
    { name: "credentials", status: "ok", message: `ECI in ${region} takes them` },
    await quota(client, region, context),
    await creation(client, config, context),
    await logs(client, context),
    ...settings(config),
  ];
}

function reached(error: unknown, region: string): ProviderCheck {
  const message = errorText(error);
  if (isErrorKind(error, "Unauthorized"))
    return {
      ...{ name: "credentials", status: "fail", message },
      fix: "see where they come from (credentials in the provider's configuration), and renew them",
    };
  if (isErrorKind(error, "Forbidden"))
    return { name: "credentials", status: "fail", message, fix: "docs/eci.md has the RAM policy" };
  return {
    ...{ name: "region", status: "fail", message },
    fix: `see whether ECI is there in ${region} and can be reached from here (endpoint in the provider's configuration)`,
  };
}

async function quota(client: Asked, region: string, context: CallContext): Promise<ProviderCheck> {
  const name = "quota";
  try {
    const { Attributes } = await client.usage(context);
    const [most, used] = [numberOf(Attributes["MaxCpu"]), numberOf(Attributes["UsedCpu"])];
    if (most === undefined || used === undefined)
      return { name, status: "warn", message: "the cloud tells no quota of cores", fix: "see the quota centre" };
    const message = `${used} of ${most} cores in ${region} are used`;
    const fix = "ask for more in the quota centre";
    if (used >= most) return { name, status: "fail", message, fix };
    return used > 0.9 * most ? { name, status: "warn", message, fix } : { name, status: "ok", message };
  } catch (error) {
    return { name, status: "warn", message: errorText(error), fix: "allow eci:ListUsage" };
  }
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === "number" || typeof value === "string" ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

/** A dry run of the smallest group in the configured network. */
async function creation(client: Asked, { network, ramRole }: EciConfig, context: CallContext): Promise<ProviderCheck> {
  const name = "creation";
  try {
    await client.dryRun(
      {
        ContainerGroupName: "virtual-kubelet-check",
        VSwitchId: network.vSwitches.join(","),
        SecurityGroupId: network.securityGroup,
        ...(ramRole !== "" && { RamRoleName: ramRole }),
        ...{ RestartPolicy: "Never", Cpu: 0.25, Memory: 0.5 },
        Container: [{ Name: "check", Image: "busybox" }],
      },
      context,
    );
    return { name, status: "ok", message: `a group could be made in ${network.vSwitches.join(", ")}` };
  } catch (error) {
    const fix = isErrorKind(error, "Forbidden")
      ? "allow eci:CreateContainerGroup, and ram:PassRole for ramRole; docs/eci.md has the RAM policy"
      : "see network and ramRole in the provider's configuration";
    return { name, status: isErrorKind(error, "Quota", "Throttled") ? "warn" : "fail", message: errorText(error), fix };
  }
}

/** Of a group that is not there: who may read logs is told so. */
async function logs(client: Asked, context: CallContext): Promise<ProviderCheck> {
  const name = "logs";
  try {
    await client.log("eci-virtualkubeletcheck", "check", { tail: 1 }, context);
  } catch (error) {
    if (isErrorKind(error, "Forbidden"))
      return { name, status: "fail", message: errorText(error), fix: "allow eci:DescribeContainerLog" };
    if (!isErrorKind(error, "NotFound", "Invalid"))
      return { name, status: "warn", message: errorText(error), fix: "try again" };
  }
  return { name, status: "ok", message: "logs can be read" };
}

function settings({ helperImage }: EciConfig): readonly ProviderCheck[] {
  if (helperImage !== "") return [];
  return [
    {
      ...{ name: "helper image", status: "warn" },
      message: "none: files and tokens of running pods are not renewed, and volumes of files have 60 KiB at most",
      fix: "set helperImage to an image with /bin/sh that the cloud can pull",
    },
  ];
}
