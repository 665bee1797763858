// What probes and hooks do: a command in the container, a request to it, a connection to it.
import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { connect } from "node:net";
import { PassThrough } from "node:stream";
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container, NameValue, Probe } from "../wire.ts";

export interface Handler {
  readonly exec?: readonly string[] | undefined;
  readonly httpGet?:
    | {
        readonly host?: string | undefined;
        readonly port: number;
        readonly path: string;
        readonly scheme: string;
        readonly headers: readonly NameValue[];
      }
    | undefined;
  readonly tcp?: { readonly host?: string | undefined; readonly port: number } | undefined;
}

export function probeHandler({ Exec, HttpGet, TcpSocket }: Probe): Handler {
  return {
    exec: Exec?.Command,
    tcp: TcpSocket === undefined ? undefined : { port: TcpSocket.Port },
    httpGet:
      HttpGet === undefined
        ? undefined
        : { port: HttpGet.Port, path: HttpGet.Path ?? "/", scheme: HttpGet.Scheme ?? "HTTP", headers: [] },
  };
}

export function hookHandler(container: Container, hook: "PostStart" | "PreStop"): Handler | undefined {
  const exec = container[`Lifecycle${hook}HandlerExec`];
  const httpPort = container[`Lifecycle${hook}HandlerHttpGetPort`];
  const tcpPort = container[`Lifecycle${hook}HandlerTcpSocketPort`];
  if (exec === undefined && httpPort === undefined && tcpPort === undefined) return undefined;
  return {
    exec,
    httpGet:
      httpPort === undefined
        ? undefined
        : {
            host: container[`Lifecycle${hook}HandlerHttpGetHost`],
            port: httpPort,
            path: container[`Lifecycle${hook}HandlerHttpGetPath`] ?? "/",
            scheme: container[`Lifecycle${hook}HandlerHttpGetScheme`] ?? "HTTP",
            headers: container[`Lifecycle${hook}HandlerHttpGetHttpHeader`] ?? [],
          },
    tcp: tcpPort === undefined ? undefined : { host: container[`Lifecycle${hook}HandlerTcpSocketHost`], port: tcpPort },
  };
}

/** What went wrong; undefined: nothing. */
export async function perform(
  { exec, httpGet, tcp }: Handler,
  running: RunningGroup,
  container: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (exec !== undefined) {
      const io = { stdout: new PassThrough().resume(), stderr: new PassThrough().resume(), tty: false };
      const code = await running.exec(container, exec, io, signal);
      return code === 0 ? undefined : `command ended with exit code ${code}`;
    }
    if (httpGet !== undefined) {
      const status = await statusOf(httpGet, running.ip, signal);
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
    }
    if (tcp !== undefined) await connects(tcp.host ?? running.ip, tcp.port, signal);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

function statusOf(to: NonNullable<Handler["httpGet"]>, ip: string, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = Object.fromEntries(to.headers.map(({ Name, Value }) => [Name, Value]));
  const options = { host: to.host ?? ip, port: to.port, path: to.path, headers, signal };
  const got = to.scheme === "HTTPS" ? secureRequest({ ...options, rejectUnauthorized: false }) : plainRequest(options);
  got.once("error", reject);
  got.once("response", (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  got.end();
  return promise;
}

function connects(host: string, port: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port, signal });
  socket.once("error", reject);
  socket.once("connect", () => {
    socket.destroy();
    resolve();
  });
  return promise;
}
