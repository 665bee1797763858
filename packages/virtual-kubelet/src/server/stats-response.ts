// Sends a rendered answer whole, compressed for those who take that.
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import type { KubeletCall } from "./kubelet-call.ts";

const compress = promisify(gzip);
/** Less is not worth the work. */
const compressFrom = 1_400;

export async function respond(call: KubeletCall, contentType: string, text: string): Promise<void> {
  let body: Uint8Array = Buffer.from(text);
  const { response } = call;
  response.setHeader("Content-Type", contentType);
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Vary", "Accept-Encoding");
  if (body.length >= compressFrom && takesGzip(call.headers["accept-encoding"])) {
    // Quickest level: such texts shrink well at any.
    body = await compress(body, { level: constants.Z_BEST_SPEED });
    response.setHeader("Content-Encoding", "gzip");
  }
  if (call.signal.aborted) return;
  response.setHeader("Content-Length", body.length);
  response.end(body);
}

/** Does an Accept-Encoding header allow gzip? One without it, by name or `*`, does not. */
export function takesGzip(header: string | readonly string[] | undefined): boolean {
  let any = false;
  for (const part of (typeof header === "string" ? header : (header ?? []).join(",")).split(",")) {
    const [coding = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    if (coding === "gzip" || coding === "x-gzip") return !refused;
    if (coding === "*") any = !refused;
  }
  return any;
}
