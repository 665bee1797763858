// Calls of Azure Resource Manager: authorised, within the budget, failures in our kinds.
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { HttpAnswer, HttpCall, Https } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import type { ArmCall } from "../arm-client.ts";
import { KeptToken, type TokenSource } from "../credentials/token-source.ts";
import { armError } from "./arm-error.ts";

/** Part of the core's CallBudget. */
export interface Budget {
  isAnswered(operation: string, withinMs: number): boolean;
  run<T>(
    operation: string,
    urgency: "now" | "soon" | "later",
    work: (signal: AbortSignal) => Promise<T>,
    context: ArmCall,
  ): Promise<T>;
}

export interface ArmCallsOptions {
  /** Without a slash at its end. */
  readonly resourceManager: string;
  readonly audience: string;
  readonly credentials: TokenSource;
  readonly budget: Budget;
  readonly https: Https;
  readonly clock: Clock;
  readonly userAgent: string;
}

export interface ArmRequest<T> {
  /** Which of the budget's buckets: "get", "list", "create" ... */
  readonly operation: string;
  readonly method: HttpCall["method"];
  /** From the first slash on, encoded; or a whole address that the cloud gave. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  /** What the answer is checked by; absent: its body does not matter. */
  readonly answer: v.GenericSchema<unknown, T>;
  /** Texts of the body that no message may hold. */
  readonly secrets?: readonly string[] | undefined;
}

export class ArmCalls {
  readonly #options: ArmCallsOptions;
  readonly #token: KeptToken;
  readonly #counts: Record<string, number> = {};

  constructor(options: ArmCallsOptions) {
    this.#options = options;
    this.#token = new KeptToken(options.credentials, options.audience, options.clock);
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  /** The status as well: 204 has its own meaning for deletions. */
  async call<T>(request: ArmRequest<T>, call: ArmCall): Promise<{ readonly status: number; readonly body: T }> {
    const { budget } = this.#options;
    const work = (signal: AbortSignal): Promise<HttpAnswer> => this.#authorised(request, signal);
    const answer = await budget.run(request.operation, call.urgency ?? "soon", work, call);
    const parsed = v.safeParse(request.answer, jsonOf(answer.text));
    if (!parsed.success)
      throw new VirtualKubeletError("Unavailable", `${nameOf(request)}: the answer is not understood`, {
        httpStatus: answer.status,
      });
    return { status: answer.status, body: parsed.output };
  }

  async #authorised<T>(request: ArmRequest<T>, signal: AbortSignal): Promise<HttpAnswer> {
    const { https, clock } = this.#options;
    const { operation } = request;
    for (let attempt = 1; ; attempt += 1) {
      const token = await this.#token.get(signal);
      this.#counts[operation] = (this.#counts[operation] ?? 0) + 1;
      const answer = await https.call({ ...this.#http(request, token), signal });
      if (answer.status >= 200 && answer.status < 300) return answer;
      if (answer.status === 401) {
        // Revoked or rotated meanwhile: a new one may do.
        this.#token.refused(token);
        if (attempt === 1) continue;
      }
      throw armError(answer, nameOf(request), clock.now(), [...(request.secrets ?? []), token]);
    }
  }

  #http<T>(request: ArmRequest<T>, token: string): Omit<HttpCall, "signal"> {
    const url = new URL(request.path, `${this.#options.resourceManager}/`);
    // A token must not go anywhere else, whatever a next link says.
    if (url.origin !== new URL(this.#options.resourceManager).origin)
      throw new VirtualKubeletError("Unavailable", `${nameOf(request)}: the cloud refers to ${url.origin}`);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    return {
      method: request.method,
      url: url.toString(),
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        "user-agent": this.#options.userAgent,
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: request.body === undefined ? undefined : JSON.stringify(request.body),
    };
  }
}

function nameOf(request: { readonly operation: string; readonly path: string }): string {
  return `${request.operation} ${request.path.split("?")[0]?.split("/").slice(-1)[0]}`;
}

/** Undefined for no body, or none that is JSON. */
function jsonOf(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
