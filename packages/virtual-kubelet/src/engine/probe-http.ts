// One GET by a probe or a hook: a connection of its own, any certificate, no proxy, a bounded part of the body.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { Deadline } from "./probe-deadline.ts";
import { type HttpGetRequest, headerFault, redirectOf, urlOf } from "./probe-http-request.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import { errorCode, hostPort, socketErrorText } from "./probe-text.ts";

export type HttpOutcome =
  | {
      readonly type: "answer";
      readonly status: number;
      readonly location: string | undefined;
      /** At most 10 KiB of it. */
      readonly body: string;
      /** The body broke off, or took too long. */
      readonly bodyFault: string | undefined;
    }
  /** There was no answer. `plain`: an HTTP answer to a TLS greeting. */
  | { readonly type: "fault"; readonly text: string; readonly plain: boolean };

const bodyLimit = 10 * 1024;
const headerLimit = 64 * 1024;
const mostRequests = 10;
const redirects = [301, 302, 303, 307, 308];

/** Follows redirects to the same host. Throws nothing but Aborted. */
export async function httpGet(first: HttpGetRequest, deadline: Deadline): Promise<HttpOutcome> {
  let request = first;
  for (let count = 1; ; count++) {
    const fault = headerFault(request);
    if (fault !== undefined) return { type: "fault", text: `Get "${urlOf(request)}": ${fault}`, plain: false };
    const outcome = await getOnce(request, deadline);
    deadline.throwIfAborted();
    if (outcome.type === "fault" || !redirects.includes(outcome.status) || (outcome.location ?? "") === "")
      return outcome;
    const redirect = redirectOf(request, outcome.location ?? "");
    if (redirect.type === "stop") return outcome;
    if (redirect.type === "fault")
      return { type: "fault", text: `Get "${urlOf(request)}": ${redirect.text}`, plain: false };
    if (count >= mostRequests) {
      const text = `Get "${urlOf(redirect.request)}": stopped after ${mostRequests} redirects`;
      return { type: "fault", text, plain: false };
    }
    request = redirect.request;
  }
}

/** 200 to 399 are success; one that is left redirecting says so. */
export async function httpProbe(request: HttpGetRequest, deadline: Deadline): Promise<ProbeOutcome> {
  const outcome = await httpGet(request, deadline);
  if (outcome.type === "fault") return { type: "failure", output: outcome.text };
  if (outcome.bodyFault !== undefined) return { type: "error", state: "failure", message: outcome.bodyFault };
  const { status, body } = outcome;
  if (status >= 300 && status < 400)
    return { type: "warning", output: `Probe terminated redirects, Response body: ${body}` };
  // Bodies may hold what events must not show.
  if (status < 200 || status >= 400) return { type: "failure", output: `HTTP probe failed with statuscode: ${status}` };
  return { type: "success" };
}

function getOnce(request: HttpGetRequest, deadline: Deadline): Promise<HttpOutcome> {
  const { scheme, host, port, path } = request;
  const { promise, resolve } = Promise.withResolvers<HttpOutcome>();
  const options = {
    ...{ host, port, path, method: "GET", agent: false, setHost: false, signal: deadline.signal },
    headers: [...request.headers.flat(), ...(hasConnection(request) ? [] : ["Connection", "close"])],
    maxHeaderSize: headerLimit,
    // The simplest servers end their lines as they like; nothing but the status is made of what they say.
    insecureHTTPParser: true,
  };
  const call =
    scheme === "http"
      ? httpRequest(options)
      : httpsRequest({
          ...options,
          // Whoever answers at the pod's address is the one to be asked: weak and foreign certificates will do.
          rejectUnauthorized: false,
          ciphers: "DEFAULT@SECLEVEL=0",
          servername: isIP(host) === 0 ? host : "",
        });
  const done = (outcome: HttpOutcome): void => {
    resolve(outcome);
    call.destroy();
  };
  let answered = false;
  call.on("error", (error) => {
    // After the head it is the body that breaks off.
    if (answered) return;
    const plain = scheme === "https" && /wrong version number/.test(error.message);
    const text = deadline.isOver
      ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
      : plain
        ? "http: server gave HTTP response to HTTPS client"
        : errorCode(error).startsWith("HPE_")
          ? `net/http: HTTP/1.x transport connection broken: malformed HTTP response`
          : socketErrorText(error, host, port);
    done({ type: "fault", text: `Get "${urlOf(request)}": ${text}`, plain });
  });
  call.on("upgrade", (response, socket) => {
    socket.destroy();
    done(answer(response, "", undefined));
  });
  call.on("response", (response) => {
    answered = true;
    void readBody(response, hostPort(host, port), deadline).then(([body, fault]) =>
      done(answer(response, body, fault)),
    );
  });
  call.end();
  return promise;
}

function hasConnection({ headers }: HttpGetRequest): boolean {
  return headers.some(([name]) => name === "Connection");
}

function answer(response: IncomingMessage, body: string, bodyFault: string | undefined): HttpOutcome {
  const { statusCode = 0, headers } = response;
  return { type: "answer", status: statusCode, location: headers.location, body, bodyFault };
}

/** Never rejects. */
async function readBody(
  response: IncomingMessage,
  address: string,
  deadline: Deadline,
): Promise<readonly [string, string | undefined]> {
  const parts: Buffer[] = [];
  let left = bodyLimit;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parts.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) break;
    }
  } catch (error) {
    const fault = deadline.isOver
      ? "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
      : errorCode(error) === "ECONNRESET"
        ? "unexpected EOF"
        : `read tcp ${address}: ${error instanceof Error ? error.message : String(error)}`;
    return ["", fault];
  }
  return [Buffer.concat(parts).toString(), undefined];
}
