// A session with a fake agent over a wire in memory that loses, doubles and reorders as much as it is told to.
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { FakeClock } from "@virtual-kubelet/virtual-kubelet/testing";
import { startSession } from "../ssm/session.ts";
import type { SsmSession } from "../ssm/ssm-session.ts";
import type { ConnectTransport } from "../ssm/web-socket-transport.ts";
import { FakeSsmAgent, type FakeSsmAgentOptions } from "./fake-ssm-agent.ts";

export interface WireFaults {
  /** Parts of 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Messages come up to so much later than they might, each on its own. */
  readonly delayMs: number;
  readonly random: () => number;
}

const goodWire: WireFaults = { loss: 0, duplication: 0, delayMs: 0, random: () => 0.5 };

export interface SsmBench {
  /** Rejects as startSession does. Not awaited before the clock is moved. */
  readonly session: Promise<SsmSession>;
  readonly agent: FakeSsmAgent;
  /** Breaks the connection. */
  cut(error: VirtualKubeletError): void;
  /** To the client, past the agent. */
  inject(data: Uint8Array): void;
  readonly flow: { paused: boolean };
}

export function ssmBench(
  clock: FakeClock,
  options: Omit<FakeSsmAgentOptions, "clock" | "tokenValue"> & {
    readonly faults?: WireFaults | undefined;
    readonly clientToken?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): SsmBench {
  const tokenValue = "the-token";
  const faults = options.faults ?? goodWire;
  const deliver = (work: () => void, mayFail: boolean): void => {
    const once = (): void => {
      clock.schedule(faults.random() * faults.delayMs, work);
    };
    if (mayFail && faults.random() < faults.loss) return;
    once();
    if (mayFail && faults.random() < faults.duplication) once();
  };
  let toClient: ((data: Uint8Array) => void) | undefined;
  let cut: ((error: VirtualKubeletError) => void) | undefined;
  const flow = { paused: false };
  const held: Uint8Array[] = [];
  const arrive = (data: Uint8Array): void => {
    if (flow.paused) held.push(data);
    else toClient?.(data);
  };
  const isClosing = (data: Uint8Array): boolean => Buffer.from(data).includes("channel_closed");
  const agent = new FakeSsmAgent(
    {
      send: (data) => deliver(() => arrive(data), !isClosing(data)),
      close: (code, reason) => cut?.(new VirtualKubeletError("Unauthorized", `closed: ${code} ${reason}`)),
    },
    { ...options, clock, tokenValue },
  );
  const connect: ConnectTransport = async (events) => {
    toClient = (data) => events.message(data);
    cut = (error) => {
      agent.closed();
      events.closed(error);
    };
    return {
      send: (data) => deliver(() => agent.receive(data), typeof data !== "string"),
      pause: () => {
        flow.paused = true;
      },
      resume: () => {
        flow.paused = false;
        for (const data of held.splice(0)) arrive(data);
      },
      close: () => {
        toClient = undefined;
        agent.closed();
      },
    };
  };
  const session = startSession(connect, {
    tokenValue: options.clientToken ?? tokenValue,
    signal: options.signal ?? new AbortController().signal,
    log: silentLogger,
    clock,
    handshakeTimeoutMs: 30_000,
  });
  session.catch(() => {});
  return { session, agent, flow, cut: (error) => cut?.(error), inject: (data) => arrive(data) };
}
