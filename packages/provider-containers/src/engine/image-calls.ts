// Images of one engine: looked at, pulled, imported, removed.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import { checkedJson, type EngineCalls } from "./engine-calls.ts";
import type { CallOptions, ImageDetails, ImageSummary, RegistryAuth } from "./engine-client.ts";
import { pullError } from "./engine-error.ts";
import { imageDetails, imageSummaries, progress } from "./image-answers.ts";
import { jsonLines } from "./json-lines.ts";

/** A name in a path keeps its slashes; what could mean another path is no name. */
function imagePath(name: string): string {
  if (!/^[\w][\w.\-:/@+]*$/.test(name) || name.includes("//") || name.split("/").some((each) => /^\.{0,2}$/.test(each)))
    throw new VirtualKubeletError("Invalid", `"${name}" is no image name`);
  return name.split("/").map(encodeURIComponent).join("/");
}

export async function inspectImage(
  calls: EngineCalls,
  name: string,
  options: CallOptions,
): Promise<ImageDetails | undefined> {
  const request = calls.request({ method: "GET", path: `/images/${imagePath(name)}/json`, accept: [404] }, options);
  const { status, text } = await calls.transport.call(request);
  return status === 404 ? undefined : checkedJson(imageDetails, text, request);
}

export function listImages(calls: EngineCalls, options: CallOptions): Promise<readonly ImageSummary[]> {
  return calls.json(imageSummaries, calls.request({ method: "GET", path: "/images/json" }, options));
}

export async function pullImage(
  calls: EngineCalls,
  name: string,
  auth: RegistryAuth | undefined,
  options: CallOptions,
): Promise<void> {
  imagePath(name);
  const request = calls.request(
    {
      ...{ method: "POST", path: "/images/create", query: { fromImage: withTag(name) } },
      ...(auth !== undefined && { headers: { "X-Registry-Auth": authHeader(auth) } }),
    },
    options,
  );
  try {
    await follow(calls, request);
  } catch (error) {
    const { kind, message, httpStatus } = VirtualKubeletError.from(error);
    // The engine's own word for why: its status says no more than that it was the registry's fault.
    if (httpStatus !== undefined && kind !== "Invalid" && kind !== "Aborted") throw pullError(message);
    throw error;
  }
}

/** Without a tag Docker would pull all there are. */
export function withTag(name: string): string {
  return name.includes("@") || name.slice(name.lastIndexOf("/") + 1).includes(":") ? name : `${name}:latest`;
}

/** In the alphabet for URLs, as both engines read it. */
function authHeader(auth: RegistryAuth): string {
  const { username, password, serveraddress, identitytoken } = auth;
  const said = identitytoken === undefined ? { username, password } : { identitytoken };
  return Buffer.from(JSON.stringify({ ...said, serveraddress }))
    .toString("base64")
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

export async function importImage(
  calls: EngineCalls,
  name: string,
  tar: Uint8Array,
  changes: readonly string[],
  options: CallOptions,
): Promise<void> {
  const query = { fromSrc: "-", repo: name, changes };
  await follow(calls, calls.request({ method: "POST", path: "/images/create", query, body: tar }, options));
}

/** To the end of what the engine tells; an error in it is thrown. */
async function follow(calls: EngineCalls, request: ReturnType<EngineCalls["request"]>): Promise<void> {
  const response = await calls.transport.stream(request);
  let failure = "";
  try {
    for await (const line of jsonLines(response)) {
      const said = v.safeParse(progress, line);
      if (said.success && said.output.error !== "") failure = said.output.error;
    }
  } catch (cause) {
    request.signal.throwIfAborted();
    throw new VirtualKubeletError("Unavailable", "the engine broke off while it got the image", { cause });
  }
  if (failure !== "") throw pullError(failure);
}

export async function removeImage(calls: EngineCalls, name: string, options: CallOptions): Promise<void> {
  const path = `/images/${imagePath(name)}`;
  await calls.transport.call(calls.request({ method: "DELETE", path, accept: [404], long: true }, options));
}
