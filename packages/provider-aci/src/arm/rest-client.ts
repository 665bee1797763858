// AciClient over the REST API.
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { Https, openTerminal, type SocketTerminal } from "@virtual-kubelet/virtual-kubelet/cloud";
import type * as v from "valibot";
import type { AciClient, ArmCall, MetricSeries, SubnetRef } from "../arm-client.ts";
import { type Credential, Credentials } from "../credentials/credential.ts";
import { KeptToken } from "../credentials/token-source.ts";
import type { Permission, RegionCapabilities, Subnet, Usage } from "../region-wire.ts";
import type { ContainerGroup, Tags } from "../wire.ts";
import { ArmCalls, type ArmRequest, type Budget } from "./arm-calls.ts";
import { type CloudEndpoints, registryAudience } from "./clouds.ts";
import { groupAnswer, groupPage } from "./group-answer.ts";
import {
  anyAnswer,
  capabilitiesPage,
  logsAnswer,
  type MetricsAnswer,
  metricsAnswer,
  permissionPage,
  socketAnswer,
  subnetAnswer,
  usagePage,
} from "./region-answer.ts";
import { secretsOf } from "./secrets.ts";

const containerInstanceVersion = "2025-09-01";
const networkVersion = "2024-05-01";
const monitorVersion = "2023-10-01";
const authorizationVersion = "2022-04-01";
const resourceGroupVersion = "2021-04-01";

export interface ArmClientOptions {
  readonly endpoints: CloudEndpoints;
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly credential: Credential;
  /** The core's CallBudget. */
  readonly budget: Budget;
  readonly clock: Clock;
  /** Proxies, and where metadata services are. */
  readonly env: NodeJS.ProcessEnv;
  /** PEM of an authority to trust beside the system's. */
  readonly ca?: string | undefined;
  /** Goes behind our own name in User-Agent. */
  readonly extraUserAgent?: string | undefined;
}

/** Nothing is called yet. */
export function connectArm(options: ArmClientOptions): AciClient {
  return new RestClient(options);
}

class RestClient implements AciClient {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly #options: ArmClientOptions;
  readonly #https: Https;
  readonly #credentials: Credentials;
  readonly #calls: ArmCalls;
  readonly #registryToken: KeptToken;

  constructor(options: ArmClientOptions) {
    const { endpoints, env, ca, clock, budget, extraUserAgent } = options;
    this.#options = options;
    this.subscription = options.subscription;
    this.resourceGroup = options.resourceGroup;
    this.#https = new Https({ ca, env });
    this.#credentials = new Credentials(options.credential, { authority: endpoints.authority, env, ca, clock });
    this.#registryToken = new KeptToken(this.#credentials, registryAudience, clock);
    this.#calls = new ArmCalls({
      ...endpoints,
      credentials: this.#credentials,
      budget,
      https: this.#https,
      clock,
      userAgent: ["virtual-kubelet", extraUserAgent ?? ""].join(" ").trim(),
    });
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#calls.counts;
  }

  groupId(name: string): string {
    return this.#group(name);
  }

  async createOrUpdate(name: string, group: ContainerGroup, call: ArmCall): Promise<ContainerGroup> {
    const request = { operation: "create", method: "PUT", path: this.#group(name), body: group } as const;
    return this.#ask({ ...request, answer: groupAnswer, secrets: secretsOf(group) }, call);
  }

  get(name: string, call: ArmCall): Promise<ContainerGroup> {
    return this.#ask({ operation: "get", method: "GET", path: this.#group(name), answer: groupAnswer }, call);
  }

  list(call: ArmCall): Promise<readonly ContainerGroup[]> {
    return this.#pages("list", this.#groups(), containerInstanceVersion, groupPage, call);
  }

  async remove(name: string, call: ArmCall): Promise<void> {
    const request = { operation: "remove", method: "DELETE", path: this.#group(name), answer: anyAnswer } as const;
    const { status } = await this.#calls.call({ ...request, query: { "api-version": containerInstanceVersion } }, call);
    if (status === 204)
      throw new VirtualKubeletError("NotFound", `remove ${name}: there is no such container group`, {
        httpStatus: 204,
      });
  }

  async stop(name: string, call: ArmCall): Promise<void> {
    await this.#act("stop", name, call);
  }

  async start(name: string, call: ArmCall): Promise<void> {
    await this.#act("start", name, call);
  }

  async restart(name: string, call: ArmCall): Promise<void> {
    await this.#act("restart", name, call);
  }

  updateTags(name: string, tags: Tags, call: ArmCall): Promise<ContainerGroup> {
    const request = { operation: "updateTags", method: "PATCH", path: this.#group(name), body: { tags } } as const;
    return this.#ask({ ...request, answer: groupAnswer }, call);
  }

  async listLogs(
    name: string,
    container: string,
    options: { readonly tail?: number | undefined; readonly timestamps?: boolean | undefined },
    call: ArmCall,
  ): Promise<string> {
    const query = {
      ...(options.tail === undefined ? {} : { tail: String(options.tail) }),
      ...(options.timestamps === undefined ? {} : { timestamps: String(options.timestamps) }),
    };
    const path = `${this.#container(name, container)}/logs`;
    return (await this.#ask({ operation: "logs", method: "GET", path, query, answer: logsAnswer }, call)).content;
  }

  async exec(
    name: string,
    container: string,
    options: { readonly command: string; readonly rows?: number | undefined; readonly cols?: number | undefined },
    call: ArmCall,
  ): Promise<SocketTerminal> {
    const { command, rows = 24, cols = 80 } = options;
    const path = `${this.#container(name, container)}/exec`;
    const body = { command, terminalSize: { rows, cols } };
    const { webSocketUri, password } = await this.#ask(
      { operation: "exec", method: "POST", path, body, answer: socketAnswer },
      call,
    );
    return this.#terminal(webSocketUri, password, "message", call);
  }

  async attach(name: string, container: string, call: ArmCall): Promise<SocketTerminal> {
    const path = `${this.#container(name, container)}/attach`;
    const { webSocketUri, password } = await this.#ask(
      { operation: "attach", method: "POST", path, answer: socketAnswer },
      call,
    );
    return this.#terminal(webSocketUri, password, "header", call);
  }

  async getSubnet(ref: SubnetRef, call: ArmCall): Promise<Subnet | undefined> {
    const request = { operation: "subnet", method: "GET", path: subnetId(ref), answer: subnetAnswer } as const;
    try {
      return await this.#ask(request, call, networkVersion);
    } catch (error) {
      if (VirtualKubeletError.from(error).kind === "NotFound") return undefined;
      throw error;
    }
  }

  createOrUpdateSubnet(ref: SubnetRef, subnet: Subnet, call: ArmCall): Promise<Subnet> {
    const request = { operation: "subnet", method: "PUT", path: subnetId(ref), body: subnet } as const;
    return this.#ask({ ...request, answer: subnetAnswer }, call, networkVersion);
  }

  capabilities(location: string, call: ArmCall): Promise<readonly RegionCapabilities[]> {
    const path = `${this.#location(location)}/capabilities`;
    return this.#pages("capabilities", path, containerInstanceVersion, capabilitiesPage, call);
  }

  usage(location: string, call: ArmCall): Promise<readonly Usage[]> {
    const path = `${this.#location(location)}/usages`;
    return this.#pages("usage", path, containerInstanceVersion, usagePage, call);
  }

  async metrics(
    name: string,
    options: { readonly names: readonly string[]; readonly from: number; readonly byContainer?: boolean | undefined },
    call: ArmCall,
  ): Promise<readonly MetricSeries[]> {
    const [from, to] = [options.from, this.#options.clock.now()].map((time) => new Date(time).toISOString());
    const query = {
      metricnames: options.names.join(","),
      aggregation: "average",
      interval: "PT1M",
      timespan: `${from}/${to}`,
      ...(options.byContainer === true ? { $filter: "containerName eq '*'" } : {}),
    };
    const path = `${this.#group(name)}/providers/Microsoft.Insights/metrics`;
    const request = { operation: "metrics", method: "GET", path, query, answer: metricsAnswer } as const;
    return seriesOf(await this.#ask(request, call, monitorVersion));
  }

  async ping(call: ArmCall): Promise<void> {
    // Throttled a moment ago: it is there, and must not be asked more.
    if (this.#options.budget.isAnswered("ping", 0)) return;
    const request = { operation: "ping", method: "GET", path: this.#scope(), answer: anyAnswer } as const;
    await this.#ask(request, call, resourceGroupVersion);
  }

  permissions(call: ArmCall): Promise<readonly Permission[]> {
    const path = `${this.#scope()}/providers/Microsoft.Authorization/permissions`;
    return this.#pages("permissions", path, authorizationVersion, permissionPage, call);
  }

  registryToken(signal: AbortSignal): Promise<string> {
    return this.#registryToken.get(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#https[Symbol.asyncDispose](), this.#credentials[Symbol.asyncDispose]()]);
  }

  async #act(action: "stop" | "start" | "restart", name: string, call: ArmCall): Promise<void> {
    const path = `${this.#group(name)}/${action}`;
    await this.#ask({ operation: action, method: "POST", path, answer: anyAnswer }, call);
  }

  async #ask<T>(request: ArmRequest<T>, call: ArmCall, version: string = containerInstanceVersion): Promise<T> {
    const query = { "api-version": version, ...request.query };
    return (await this.#calls.call({ ...request, query }, call)).body;
  }

  async #pages<T>(
    operation: string,
    path: string,
    version: string,
    answer: v.GenericSchema<unknown, { readonly value: readonly T[]; readonly nextLink?: string | undefined }>,
    call: ArmCall,
  ): Promise<readonly T[]> {
    let page = await this.#ask({ operation, method: "GET", path, answer }, call, version);
    const all = [...page.value];
    while (page.nextLink !== undefined && page.nextLink !== "") {
      page = (await this.#calls.call({ operation, method: "GET", path: page.nextLink, answer }, call)).body;
      all.push(...page.value);
    }
    return all;
  }

  #terminal(uri: string, password: string, passwordAs: "message" | "header", call: ArmCall): Promise<SocketTerminal> {
    const { ca, env } = this.#options;
    return openTerminal({ uri, password: { as: passwordAs, text: password }, ca, env, signal: call.signal });
  }

  #scope(): string {
    return `/subscriptions/${encodeURIComponent(this.subscription)}/resourceGroups/${encodeURIComponent(this.resourceGroup)}`;
  }

  #groups(): string {
    return `${this.#scope()}/providers/Microsoft.ContainerInstance/containerGroups`;
  }

  #group(name: string): string {
    return `${this.#groups()}/${encodeURIComponent(name)}`;
  }

  #container(group: string, container: string): string {
    return `${this.#group(group)}/containers/${encodeURIComponent(container)}`;
  }

  #location(location: string): string {
    const provider = "providers/Microsoft.ContainerInstance/locations";
    return `/subscriptions/${encodeURIComponent(this.subscription)}/${provider}/${encodeURIComponent(location)}`;
  }
}

function subnetId(ref: SubnetRef): string {
  const [subscription, group, network, name] = [ref.subscription, ref.resourceGroup, ref.virtualNetwork, ref.name].map(
    encodeURIComponent,
  );
  return `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Network/virtualNetworks/${network}/subnets/${name}`;
}

function seriesOf(answer: MetricsAnswer): readonly MetricSeries[] {
  return answer.value.flatMap(({ name, timeseries }) =>
    timeseries.map((series) => ({
      name: name.value,
      container: series.metadatavalues?.find((each) => each.name.value.toLowerCase() === "containername")?.value,
      points: series.data.flatMap(({ timeStamp, average }) =>
        average === undefined ? [] : [{ time: Date.parse(timeStamp), average }],
      ),
    })),
  );
}
