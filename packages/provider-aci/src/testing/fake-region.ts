// What else the fake has beside container groups: subnets, quotas, capabilities of its region, figures, rights.
import type { Clock } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { FakeGroup } from "./fake-group.ts";
import { FakeRefusal, type FakeReply } from "./fake-refusal.ts";

const subnetBody = v.looseObject({ properties: v.looseObject({}) });

export interface FakeQuota {
  readonly groups: number;
  readonly cores: number;
}

export class FakeRegion {
  readonly location: string;
  readonly quota: FakeQuota;
  /** By resource id in lower case; tests may put some here. */
  readonly subnets: Map<string, Readonly<Record<string, unknown>>> = new Map();
  /** Rights of all callers. */
  actions: readonly string[] = ["*"];
  readonly #clock: Clock;

  constructor(location: string, quota: FakeQuota, clock: Clock) {
    this.location = location;
    this.quota = quota;
    this.#clock = clock;
  }

  getSubnet(id: string): FakeReply {
    const found = this.subnets.get(id.toLowerCase());
    if (found === undefined) throw new FakeRefusal(404, "NotFound", `Resource ${id} not found.`);
    return { status: 200, body: found };
  }

  putSubnet(id: string, body: unknown): FakeReply {
    const parsed = v.safeParse(subnetBody, body);
    const hasRange =
      parsed.success && Object.keys(parsed.output.properties).some((key) => /^addressPrefix(es)?$/.test(key));
    if (!parsed.success || !hasRange) throw new FakeRefusal(400, "InvalidRequestFormat", "Cannot parse the request.");
    const isNew = !this.subnets.has(id.toLowerCase());
    const subnet = {
      ...parsed.output,
      id,
      name: id.split("/").at(-1),
      properties: { ...parsed.output.properties, provisioningState: "Succeeded" },
    };
    this.subnets.set(id.toLowerCase(), subnet);
    return { status: isNew ? 201 : 200, body: subnet };
  }

  capabilities(): FakeReply {
    const each = (
      osType: string,
      ipAddressType: string,
      gpu: string,
      maxCpu: number,
      maxMemoryInGB: number,
    ): unknown => ({
      resourceType: "containerGroups",
      osType,
      location: this.location,
      ipAddressType,
      gpu,
      capabilities: { maxMemoryInGB, maxCpu, maxGpuCount: gpu === "None" ? 0 : 4 },
    });
    const value = [
      each("Linux", "Public", "None", 31, 240),
      each("Linux", "Private", "None", 31, 240),
      each("Windows", "Public", "None", 4, 16),
    ];
    return { status: 200, body: { value }, model: "CapabilitiesListResult" };
  }

  usage(groups: Iterable<FakeGroup>): FakeReply {
    const all = [...groups];
    const quotaOf = (name: string, currentValue: number, limit: number): unknown => ({
      id: `/${name}`,
      unit: "Count",
      currentValue,
      limit,
      name: { value: name, localizedValue: name },
    });
    const cores = all.reduce((sum, group) => sum + coresOf(group), 0);
    const value = [
      quotaOf("ContainerGroups", all.length, this.quota.groups),
      quotaOf("StandardCores", Math.ceil(cores), this.quota.cores),
    ];
    return { status: 200, body: { value }, model: "UsageListResult" };
  }

  /** Throws the cloud's refusal when one group more is one too many. */
  checkQuota(group: FakeGroup, others: Iterable<FakeGroup>): void {
    const all = [...others];
    const reached = (name: string): FakeRefusal =>
      new FakeRefusal(
        409,
        "ContainerGroupQuotaReached",
        `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${name}' exceeded in region '${this.location}'.`,
      );
    if (all.length + 1 > this.quota.groups) throw reached("ContainerGroups");
    if (all.reduce((sum, each) => sum + coresOf(each), coresOf(group)) > this.quota.cores)
      throw reached("StandardCores");
  }

  permissions(): FakeReply {
    return {
      status: 200,
      body: { value: [{ actions: this.actions, notActions: [], dataActions: [], notDataActions: [] }] },
    };
  }

  /** Of Azure Monitor: averages since the start, at the minute that is over. */
  async metrics(group: FakeGroup, query: URLSearchParams): Promise<FakeReply> {
    const names = (query.get("metricnames") ?? "").split(",");
    const byContainer = /containerName eq '\*'/i.test(query.get("$filter") ?? "");
    const now = this.#clock.now();
    const samples = await samplesOf(group, now);
    const timeStamp = new Date(Math.floor(now / 60_000) * 60_000).toISOString();
    const value = names.map((name) => {
      const isCpu = name.toLowerCase() === "cpuusage";
      const known = isCpu || name.toLowerCase() === "memoryusage";
      if (!known && !/^Network/i.test(name))
        throw new FakeRefusal(400, "BadRequest", `Failed to find metric configuration for ${name}.`);
      const figures = known ? samples.map((each) => ({ ...each, average: isCpu ? each.millicores : each.bytes })) : [];
      const sum = figures.reduce((total, each) => total + each.average, 0);
      const whole = figures.length === 0 ? [] : [{ metadatavalues: [], data: [{ timeStamp, average: sum }] }];
      return {
        id: `metrics/${name}`,
        type: "Microsoft.Insights/metrics",
        name: { value: name, localizedValue: name },
        unit: isCpu ? "Count" : "Bytes",
        timeseries: byContainer
          ? figures.map((each) => ({
              metadatavalues: [
                { name: { value: "containername", localizedValue: "containername" }, value: each.container },
              ],
              data: [
                { timeStamp: new Date(Date.parse(timeStamp) - 60_000).toISOString() },
                { timeStamp, average: each.average },
              ],
            }))
          : whole,
      };
    });
    return { status: 200, body: { cost: 0, timespan: query.get("timespan"), interval: "PT1M", value } };
  }
}

async function samplesOf(
  group: FakeGroup,
  now: number,
): Promise<readonly { readonly container: string; readonly millicores: number; readonly bytes: number }[]> {
  const samples = group.body.properties.containers.map(async ({ name }) => {
    const { running } = group;
    if (running === undefined || !group.isRunning(name)) return [];
    const { cpuNanoseconds, memoryBytes } = await running.stats(name);
    const elapsed = Math.max(1, now - (running.state(name).startedAt ?? now));
    return [{ container: name, millicores: cpuNanoseconds / 1e6 / (elapsed / 1000), bytes: memoryBytes }];
  });
  return (await Promise.all(samples)).flat();
}

function coresOf(group: FakeGroup): number {
  return group.body.properties.containers.reduce(
    (sum, { properties }) => sum + (properties.resources?.requests.cpu ?? 0),
    0,
  );
}
