// EciClient over the RPC API, version 2018-08-08.
import { randomUUID } from "node:crypto";
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import {
  type CallBudget,
  Https,
  jsonOf,
  openTerminal,
  type SocketTerminal,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import type { EciCall, EciClient, GroupFilter } from "../eci-client.ts";
import type { CreateContainerGroupRequest } from "../wire.ts";
import type { ContainerGroup, GroupMetrics, GroupStatusChange, Usage } from "../wire-answers.ts";
import { signedHeaders } from "./acs-request.ts";
import {
  anyAnswer,
  changesAnswer,
  createAnswer,
  groupsAnswer,
  logAnswer,
  metricsAnswer,
  socketAnswer,
  usageAnswer,
} from "./answers.ts";
import type { KeySource } from "./credentials.ts";
import { eciError, isDryRunSuccess } from "./eci-error.ts";
import { encodedForm, formOf } from "./form.ts";
import { secretsOf } from "./secrets.ts";

const version = "2018-08-08";
/** More pages than that are none: a token that leads back would be followed for ever. */
const mostPages = 10_000;
/** A look at the groups that was answered so lately is a ping too: where calls are few, pods have more need of them. */
const recentMs = 5_000;

export interface RestClientOptions {
  readonly region: string;
  /** `https://eci.<region>.aliyuncs.com`; `http://` of this machine. */
  readonly endpoint: string;
  readonly resourceGroup?: string | undefined;
  readonly keys: KeySource;
  readonly budget: Pick<CallBudget, "run" | "isAnswered">;
  readonly clock: Clock;
  /** Proxies. */
  readonly env: NodeJS.ProcessEnv;
  /** PEM of an authority to trust beside the system's. */
  readonly ca?: string | undefined;
  readonly userAgent: string;
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

/** Nothing is called yet. */
export class RestClient implements EciClient {
  readonly region: string;
  readonly #options: RestClientOptions;
  readonly #http: Https;
  readonly #counts: Record<string, number> = {};

  constructor(options: RestClientOptions) {
    const { ca, env } = options;
    this.#options = options;
    this.region = options.region;
    this.#http = new Https({ ca, env });
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  async create(request: CreateContainerGroupRequest, call: EciCall): Promise<string> {
    const answer = await this.#ask("CreateContainerGroup", request, createAnswer, call, secretsOf(request));
    return answer.ContainerGroupId;
  }

  describe(filter: GroupFilter, call: EciCall): Promise<readonly ContainerGroup[]> {
    return this.#pages("DescribeContainerGroups", { ...filterOf(filter), WithEvent: true }, call, async (ask) => {
      const { ContainerGroups, NextToken } = await ask(groupsAnswer);
      return { items: ContainerGroups ?? [], next: NextToken };
    });
  }

  statusSince(filter: GroupFilter, sinceSeconds: number, call: EciCall): Promise<readonly GroupStatusChange[]> {
    const parameters = { ...filterOf(filter), SinceSecond: sinceSeconds };
    return this.#pages("DescribeContainerGroupStatus", parameters, call, async (ask) => {
      const { Data, NextToken } = await ask(changesAnswer);
      return { items: Data ?? [], next: NextToken };
    });
  }

  async remove(id: string, { clientToken }: { readonly clientToken: string }, call: EciCall): Promise<void> {
    const parameters = { ContainerGroupId: id, ClientToken: clientToken };
    await this.#ask("DeleteContainerGroup", parameters, anyAnswer, call);
  }

  async log(id: string, container: string, options: Parameters<EciClient["log"]>[2], call: EciCall): Promise<string> {
    const parameters = {
      ...{ ContainerGroupId: id, ContainerName: container, Tail: options.tail, SinceSeconds: options.sinceSeconds },
      ...{ StartTime: options.startTime, LimitBytes: options.limitBytes, Timestamps: options.timestamps },
      LastTime: options.previous,
    };
    return (await this.#ask("DescribeContainerLog", parameters, logAnswer, call)).Content ?? "";
  }

  async exec(
    id: string,
    container: string,
    { command, stdin, tty }: Parameters<EciClient["exec"]>[2],
    call: EciCall,
  ): Promise<SocketTerminal> {
    const parameters = {
      ...{ ContainerGroupId: id, ContainerName: container, Command: JSON.stringify(command) },
      ...{ Stdin: stdin, TTY: tty, Sync: false },
    };
    const { WebSocketUri } = await this.#ask("ExecContainerCommand", parameters, socketAnswer, call);
    const { ca, env, endpoint } = this.#options;
    return openTerminal({ uri: WebSocketUri, ca, env, plain: endpoint.startsWith("http://"), signal: call.signal });
  }

  async metrics(ids: readonly string[], call: EciCall): Promise<readonly GroupMetrics[]> {
    const parameters = { ContainerGroupIds: JSON.stringify(ids), MetricType: "summary" };
    const answer = await this.#ask("DescribeMultiContainerGroupMetric", parameters, metricsAnswer, call);
    return answer.MonitorDatas ?? [];
  }

  async usage(call: EciCall): Promise<Usage> {
    return { Attributes: (await this.#ask("ListUsage", {}, usageAnswer, call)).Attributes ?? {} };
  }

  async dryRun(request: CreateContainerGroupRequest, call: EciCall): Promise<void> {
    try {
      const parameters = { ...request, DryRun: true };
      await this.#ask("CreateContainerGroup", parameters, anyAnswer, call, secretsOf(request));
    } catch (error) {
      if (!isDryRunSuccess(error)) throw error;
    }
  }

  async ping(call: EciCall): Promise<void> {
    const action = "DescribeContainerGroups";
    if (this.#options.budget.isAnswered(action, recentMs)) return;
    await this.#ask(action, { Limit: 1 }, anyAnswer, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  async #pages<T>(
    action: string,
    parameters: object,
    call: EciCall,
    read: (ask: <A>(answer: v.GenericSchema<unknown, A>) => Promise<A>) => Promise<Page<T>>,
  ): Promise<readonly T[]> {
    const all: T[] = [];
    let token: string | undefined;
    for (let page = 0; page < mostPages; page += 1) {
      const part = { ...parameters, ...(token === undefined ? {} : { NextToken: token }) };
      const { items, next } = await read((answer) => this.#ask(action, part, answer, call));
      all.push(...items);
      if (next === undefined || next === "" || next === token) return all;
      token = next;
    }
    throw new VirtualKubeletError("Unavailable", `${action}: the list has no end`);
  }

  async #ask<T>(
    action: string,
    parameters: object,
    answer: v.GenericSchema<unknown, T>,
    call: EciCall,
    secrets: readonly string[] = [],
  ): Promise<T> {
    const { region, resourceGroup, budget } = this.#options;
    const body = encodedForm(
      formOf({
        RegionId: region,
        ...(resourceGroup === undefined ? {} : { ResourceGroupId: resourceGroup }),
        ...parameters,
      }),
    );
    const work = (signal: AbortSignal): Promise<string> => this.#call(action, body, { ...call, signal }, secrets);
    const text = await budget.run(action, call.urgency ?? "soon", work, call);
    const parsed = v.safeParse(answer, jsonOf(text));
    if (!parsed.success) throw new VirtualKubeletError("Unavailable", `${action}: the answer is not understood`);
    return parsed.output;
  }

  async #call(action: string, body: string, call: EciCall, secrets: readonly string[]): Promise<string> {
    const { keys, endpoint, clock, userAgent } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const found = await keys.keys(call);
      this.#counts[action] = (this.#counts[action] ?? 0) + 1;
      const { host } = new URL(endpoint);
      const signed = signedHeaders({ host, action, version, body, now: clock.now(), nonce: randomUUID() }, found);
      const answer = await this.#http.call({
        ...{ method: "POST", url: `${endpoint}/`, headers: { ...signed, "user-agent": userAgent }, body },
        ...{ what: `${action} at ${host}`, signal: call.signal },
      });
      if (answer.status >= 200 && answer.status < 300) return answer.text;
      const error = eciError(answer, action, [...secrets, found.accessKeySecret, found.securityToken ?? ""]);
      if (error.kind !== "Unauthorized" || attempt > 1) throw error;
      // Rotated or expired meanwhile: those that hold now may do.
      keys.refused();
    }
  }
}

function filterOf({ ids, tags }: GroupFilter): object {
  return {
    ...(ids === undefined ? {} : { ContainerGroupIds: JSON.stringify(ids) }),
    ...(tags === undefined ? {} : { Tag: tags }),
  };
}
