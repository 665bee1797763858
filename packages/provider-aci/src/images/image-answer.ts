// What registries answer about images, in the forms of OCI and of Docker: an index of platforms, a manifest, a configuration. Pure.
import { createHash } from "node:crypto";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";

/** What an image runs where a pod says nothing else. */
export interface ImageProcess {
  readonly entrypoint: readonly string[];
  /** Arguments; or the whole command without an entrypoint. */
  readonly cmd: readonly string[];
}

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
const descriptor = v.object({ digest });
const json = v.pipe(v.string(), v.parseJson());
const index = v.pipe(
  json,
  v.object({
    manifests: v.array(
      v.object({ digest, platform: v.optional(v.object({ os: v.string(), architecture: v.string() })) }),
    ),
  }),
);
const manifest = v.pipe(json, v.object({ config: descriptor }));
const words = v.nullish(v.array(v.string()), []);
const configuration = v.pipe(
  json,
  v.object({
    config: v.nullish(v.object({ Entrypoint: words, Cmd: words }), { Entrypoint: [], Cmd: [] }),
  }),
);

/** What is taken as an answer to a question for a manifest. */
export const manifestTypes: string = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Digest of the configuration; or of the manifest of the platform, which is to be asked for next. */
export function manifestNext(
  text: string,
  operatingSystem: string,
): { readonly configuration: string } | { readonly manifest: string } {
  const single = v.safeParse(manifest, text);
  if (single.success) return { configuration: single.output.config.digest };
  const all = v.safeParse(index, text);
  if (!all.success) throw unknown("its manifest is in no form that is known");
  const fits = all.output.manifests.find(
    ({ platform }) => platform?.os === operatingSystem && platform.architecture === "amd64",
  );
  if (fits === undefined) throw unknown(`it is not there for ${operatingSystem}/amd64`);
  return { manifest: fits.digest };
}

export function imageProcess(text: string): ImageProcess {
  const parsed = v.safeParse(configuration, text);
  if (!parsed.success) throw unknown("its configuration is in no form that is known");
  const { Entrypoint: entrypoint, Cmd: cmd } = parsed.output.config ?? {};
  return { entrypoint: entrypoint ?? [], cmd: cmd ?? [] };
}

/** Throws where it is not what the digest names. */
export function checkDigest(text: string, wanted: string): void {
  if (`sha256:${createHash("sha256").update(text).digest("hex")}` !== wanted)
    throw unknown(`what the registry sent is not ${wanted}`);
}

function unknown(message: string): VirtualKubeletError {
  return new VirtualKubeletError("Unavailable", message, { reason: "ErrImagePull" });
}
