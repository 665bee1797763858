// What engines say of images, checked and brought to the nouns of the contract.
import * as v from "valibot";
import type { ImageDetails, ImageSummary } from "./engine-client.ts";

const texts = v.pipe(
  v.nullish(v.array(v.string()), []),
  // An image without a name has this one in Docker.
  v.transform((names) => names.filter((name) => !name.startsWith("<none>"))),
);
/** Older engines give a command as one text. */
const words = v.pipe(
  v.nullish(v.union([v.array(v.string()), v.string()]), []),
  v.transform((value) => (typeof value === "string" ? [value] : value)),
);
const text = v.nullish(v.string(), "");

export const imageDetails: v.GenericSchema<unknown, ImageDetails> = v.pipe(
  v.object({
    Id: v.string(),
    RepoTags: texts,
    RepoDigests: texts,
    Size: v.nullish(v.number(), 0),
    Architecture: text,
    Config: v.nullish(v.object({ User: text, Entrypoint: words, Cmd: words, StopSignal: text })),
  }),
  v.transform(({ Id, RepoTags, RepoDigests, Size, Architecture, Config }) => ({
    id: withPrefix(Id),
    tags: RepoTags,
    digests: RepoDigests,
    size: Size,
    user: Config?.User ?? "",
    entrypoint: Config?.Entrypoint ?? [],
    cmd: Config?.Cmd ?? [],
    stopSignal: Config?.StopSignal ?? "",
    architecture: Architecture,
  })),
);

export const imageSummaries: v.GenericSchema<unknown, readonly ImageSummary[]> = v.array(
  v.pipe(
    v.object({
      Id: v.string(),
      RepoTags: texts,
      RepoDigests: texts,
      Size: v.nullish(v.number(), 0),
      Created: v.nullish(v.number(), 0),
      Containers: v.nullish(v.number(), -1),
    }),
    v.transform((image) => ({
      id: withPrefix(image.Id),
      tags: image.RepoTags,
      digests: image.RepoDigests,
      size: image.Size,
      createdAt: image.Created * 1000,
      containers: image.Containers,
    })),
  ),
);

/** Lines of a pull or an import; an error comes among them after the status was good. */
export const progress: v.GenericSchema<unknown, { readonly error: string }> = v.pipe(
  v.object({ error: v.nullish(v.string()), errorDetail: v.nullish(v.object({ message: v.nullish(v.string()) })) }),
  v.transform(({ error, errorDetail }) => ({ error: errorDetail?.message || error || "" })),
);

function withPrefix(id: string): string {
  return id.includes(":") ? id : `sha256:${id}`;
}
