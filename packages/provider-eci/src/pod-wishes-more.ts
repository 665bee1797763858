// Annotations of addresses, bandwidth, images and the kernel. Pure.
import { milliUnits, parseQuantity } from "@virtual-kubelet/virtual-kubelet";
import { invalid, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import { AnnotationValues } from "./annotation-values.ts";
import type { EciConfig } from "./config.ts";
import type { AcrRegistryInfo, CreateContainerGroupRequest, NameValue } from "./wire.ts";

type Part = Partial<CreateContainerGroupRequest>;

const own = "k8s.aliyun.com/";

export function networkWishes(values: AnnotationValues, { allowed }: EciConfig): Part {
  const fixed = values.flag(`${own}eci-fixed-ip`);
  const retain = values.whole(`${own}eci-fixed-ip-retain-hour`, 1, 876_000);
  const ingress = bandwidth(values, "kubernetes.io/ingress-bandwidth");
  const egress = bandwidth(values, "kubernetes.io/egress-bandwidth");
  const ntp = values.list(`${own}eci-ntp-server`, /^[\w.-]+$/, "hosts or addresses");
  const ipv6 = values.flag(`${own}eci-enable-ipv6`);
  return {
    ...(fixed === true && { FixedIp: "true" }),
    ...(fixed === true && retain !== undefined && { FixedIpRetainHour: retain }),
    ...publicAddress(values, allowed.publicIPs),
    ...(ipv6 === true && { Ipv6AddressCount: 1 }),
    ...ipv6Gateway(values, allowed.publicIPs),
    ...(ingress !== undefined && { IngressBandwidth: ingress }),
    ...(egress !== undefined && { EgressBandwidth: egress }),
    ...(ntp !== undefined && { NtpServer: ntp }),
  };
}

function publicAddress(values: AnnotationValues, isAllowed: boolean): Part {
  const withKey = `${own}eci-with-eip`;
  const idKey = `${own}eci-eip-instanceid`;
  const create = values.flag(withKey);
  const id = values.matched(idKey, /^eip-[0-9a-z]+$/, "the ID of an EIP, like eip-0123abcd");
  const megabits = values.whole(`${own}eip-bandwidth`, 1, 1000);
  const plan = values.matched(`${own}eip-common-bandwidth-package-id`, /^cbwp-[0-9a-z]+$/, "like cbwp-0123abcd");
  const line = values.oneOf(`${own}eip-isp`, ["BGP", "BGP_PRO"]);
  if (create !== true && id === undefined) return {};
  checkPublic(id === undefined ? withKey : idKey, isAllowed);
  if (id !== undefined) return { EipInstanceId: id };
  return {
    AutoCreateEip: true,
    ...(megabits !== undefined && { EipBandwidth: megabits }),
    ...(plan !== undefined && { EipCommonBandwidthPackage: plan }),
    ...(line !== undefined && { EipISP: line }),
  };
}

function ipv6Gateway(values: AnnotationValues, isAllowed: boolean): Part {
  const key = `${own}eci-ipv6-bandwidth-enable`;
  const enabled = values.flag(key);
  const limit = values.matched(`${own}eci-ipv6-bandwidth`, /^\d+M?$/, "a number of Mbit/s, like 100M");
  if (enabled !== true) return {};
  checkPublic(key, isAllowed);
  return { Ipv6GatewayBandwidthEnable: true, ...(limit !== undefined && { Ipv6GatewayBandwidth: limit }) };
}

function checkPublic(key: string, isAllowed: boolean): void {
  if (!isAllowed)
    throw unsupported(
      AnnotationValues.field(key),
      "pods have no public addresses here: allowed.publicIPs of the provider's configuration",
    );
}

/** Bits per second. */
function bandwidth(values: AnnotationValues, key: string): number | undefined {
  const text = values.text(key);
  if (text === undefined) return undefined;
  try {
    return Math.ceil(Number(milliUnits(parseQuantity(text))) / 1000);
  } catch {
    throw invalid(AnnotationValues.field(key), `"${text.slice(0, 80)}" must be an amount like 40M`);
  }
}

export function imageWishes(values: AnnotationValues, config: EciConfig): Part {
  const match = values.flag(`${own}eci-image-cache`) ?? values.flag(`${own}eci-auto-imc`) ?? config.imageCache;
  const snapshot =
    values.matched(`${own}eci-image-snapshot-id`, /^(imc|s)-[0-9a-z]+$/, "like imc-0123abcd") ??
    values.matched(`${own}eci-imc-id`, /^imc-[0-9a-z]+$/, "like imc-0123abcd");
  // Other products of the vendor's have modes of their own there.
  const mode = modes.find((each) => each === values.text(`${own}image-accelerate-mode`));
  const { acrInstances, insecure, plainHTTP } = config.registries;
  const acr: readonly AcrRegistryInfo[] = [
    ...acrInstances.map(({ id, region, domains }) => ({
      InstanceId: id,
      ...(region !== "" && { RegionId: region }),
      ...(domains.length > 0 && { Domain: domains }),
    })),
    ...acrOf(values),
  ];
  const hosts = (key: string, configured: readonly string[]): readonly string[] => [
    ...new Set([
      ...configured,
      ...(values.list(key, /^[\w.-]+(:\d+)?$/, "hosts, with ports where they have some") ?? []),
    ]),
  ];
  const unchecked = hosts(`${own}insecure-registry`, insecure);
  const plain = hosts(`${own}plain-http-registry`, plainHTTP);
  return {
    ...(snapshot === undefined ? match && { AutoMatchImageCache: true } : { ImageSnapshotId: snapshot }),
    ...(mode !== undefined && { ImageAccelerateMode: mode }),
    ...(acr.length > 0 && { AcrRegistryInfo: acr }),
    ...(unchecked.length > 0 && { InsecureRegistry: unchecked.join(",") }),
    ...(plain.length > 0 && { PlainHttpRegistry: plain.join(",") }),
  };
}

const modes: readonly string[] = ["nydus", "dadi", "p2p", "imc"];

export function dataCacheWishes(values: AnnotationValues): Part {
  const bucket = values.text(`${own}eci-data-cache-bucket`);
  const level = values.oneOf(`${own}eci-data-cache-pl`, ["PL0", "PL1", "PL2", "PL3"]);
  const iops = values.whole(`${own}eci-data-cache-provisionedIops`, 0, 50_000);
  const burst = values.flag(`${own}eci-data-cache-burstingEnabled`);
  return {
    ...(bucket !== undefined && { DataCacheBucket: bucket }),
    ...(level !== undefined && { DataCachePL: level }),
    ...(iops !== undefined && { DataCacheProvisionedIops: iops }),
    ...(burst !== undefined && { DataCacheBurstingEnabled: burst }),
  };
}

/** `cri-...`, or `region:cri-...`. */
function acrOf(values: AnnotationValues): readonly AcrRegistryInfo[] {
  const what = "IDs like cri-0123abcd, or region:cri-0123abcd";
  const pattern = /^([a-z0-9-]+:)?cri-[0-9a-z]+$/;
  const all = [
    ...(values.list(`${own}acr-instance-ids`, pattern, what) ?? []),
    ...(values.list(`${own}acr-instance-id`, pattern, what) ?? []),
  ];
  return all.map((text) => {
    const [region, id] = text.includes(":") ? text.split(":") : [undefined, text];
    return { InstanceId: id, ...(region !== undefined && { RegionId: region }) };
  });
}

const settings = v.array(v.object({ name: v.string(), value: v.string() }));

export function sysctlWishes(values: AnnotationValues): Part {
  const key = `${own}eci-host-sysctls`;
  const text = values.text(key);
  if (text === undefined) return {};
  const parsed = v.safeParse(settings, jsonOf(text));
  if (!parsed.success)
    throw invalid(AnnotationValues.field(key), 'must be JSON like [{"name": "net.core.somaxconn", "value": "1024"}]');
  const Sysctl: readonly NameValue[] = parsed.output.map(({ name, value }) => ({ Name: name, Value: value }));
  return { HostSecurityContext: { Sysctl } };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
