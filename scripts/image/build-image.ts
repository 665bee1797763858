// Builds an image of a context with the engine that is given.
import { join } from "node:path";
import type { Architecture } from "./debian-packages.ts";
import { rfc3339 } from "./image-context.ts";

export interface Engine {
  readonly kind: "podman" | "docker";
  /** Runs it; resolves with its standard output. */
  readonly run: (args: readonly string[]) => Promise<string>;
}

export interface BuildOptions {
  readonly context: string;
  /** A folder below `program/` of the context. */
  readonly variant: string;
  readonly tag: string;
  readonly version: string;
  readonly revision: string;
  readonly architecture: Architecture;
  readonly epoch: number;
}

/** The arguments of `podman` or `docker` that build it. */
export function buildArguments(kind: Engine["kind"], options: BuildOptions): readonly string[] {
  const values = {
    PROVIDERS: options.variant,
    VERSION: options.version,
    REVISION: options.revision,
    CREATED: rfc3339(options.epoch),
    // BuildKit takes the dates of the image from it.
    ...(kind === "docker" ? { SOURCE_DATE_EPOCH: String(options.epoch) } : {}),
  };
  return [
    ...["build", "--platform", `linux/${options.architecture}`, "--file", join(options.context, "Containerfile")],
    // The format is Docker's where there is a STOPSIGNAL or the like that readers may not know; both know OCI's.
    ...(kind === "podman" ? ["--format", "oci", "--layers", "--timestamp", String(options.epoch)] : []),
    ...Object.entries(values).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...["--tag", options.tag, options.context],
  ];
}

/** Answers the size of the image in bytes, as its engine keeps it. */
export async function buildImage(engine: Engine, options: BuildOptions): Promise<number> {
  await engine.run(buildArguments(engine.kind, options));
  return Number(await engine.run(["image", "inspect", "--format", "{{.Size}}", options.tag]));
}
