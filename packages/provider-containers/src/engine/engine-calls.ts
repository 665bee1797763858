// One engine's API as typed calls: paths of both APIs, answers checked against their schemas.
import { type Logger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { CallOptions, EngineAddress, EngineInfo } from "./engine-client.ts";
import { engineInfo } from "./info-answers.ts";
import { Slots } from "./slots.ts";
import { type EngineRequest, Transport } from "./transport.ts";

/** The oldest API with all that is used; both engines go on speaking it. */
const dockerVersion = "v1.41";
const libpodVersion = "v4.0.0";

export type PathRequest = Omit<EngineRequest, "path" | "signal"> & { readonly path: string };

export class EngineCalls {
  readonly transport: Transport;
  readonly log: Logger;
  /** Creates, starts and removals side by side. */
  readonly slots: Slots;
  #info: Promise<EngineInfo> | undefined;

  constructor(address: EngineAddress, log: Logger, parallelCalls: number) {
    this.log = log;
    this.slots = new Slots(parallelCalls);
    this.transport = new Transport(address, () => {
      this.#info = undefined;
    });
  }

  request(request: PathRequest, { signal }: CallOptions): EngineRequest {
    return { ...request, path: `/${dockerVersion}${request.path}`, signal };
  }

  /** Of Podman's own API. */
  libpodRequest(request: PathRequest, { signal }: CallOptions): EngineRequest {
    return { ...request, path: `/${libpodVersion}/libpod${request.path}`, signal };
  }

  /** An answer that is not as it should be is Unavailable. */
  async json<Output>(schema: v.GenericSchema<unknown, Output>, request: EngineRequest): Promise<Output> {
    const { text } = await this.transport.call(request);
    return checkedJson(schema, text, request);
  }

  info(options: CallOptions): Promise<EngineInfo> {
    // Whoever asks first must not take the answer from the others by going away.
    this.#info ??= this.#askInfo().catch((error: unknown) => {
      this.#info = undefined;
      throw error;
    });
    // All who asked may be gone.
    this.#info.catch(() => undefined);
    return raced(this.#info, options.signal);
  }

  async isPodman(options: CallOptions): Promise<boolean> {
    return (await this.info(options)).flavour === "podman";
  }

  async #askInfo(): Promise<EngineInfo> {
    const options = { signal: AbortSignal.timeout(30_000) };
    const [version, info] = await Promise.all(
      ["/version", "/info"].map((path) => this.json(v.unknown(), this.request({ method: "GET", path }, options))),
    );
    try {
      return engineInfo(version, info);
    } catch (cause) {
      throw new VirtualKubeletError("Unavailable", "the engine says nothing usable of itself", { cause });
    }
  }
}

export function checkedJson<Output>(
  schema: v.GenericSchema<unknown, Output>,
  text: string,
  { method, path }: EngineRequest,
): Output {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", `the engine's answer to ${method} ${path} is not understood`, {
      cause,
    });
  }
}

/** An id or a name as a part of a path. */
export function part(id: string): string {
  if (id === "" || id === "." || id === "..") throw new VirtualKubeletError("Invalid", `"${id}" is no name`);
  return encodeURIComponent(id);
}

async function raced<Value>(value: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([value, promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
