// An image as agnhost's fake-registry-server serves it: files of a directory, blobs and manifests by their digests, tags
// that name a digest.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

export interface StaticImage {
  readonly name: string;
  readonly tag: string;
  /** Tar file of its root. */
  readonly tar: Uint8Array;
  readonly entrypoint: readonly string[];
}

/** Content by path below the server's directory. */
export function staticRegistryFiles(image: StaticImage): ReadonlyMap<string, Uint8Array> {
  const layer = gzipSync(image.tar, { level: 1 });
  const config = json({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: image.entrypoint },
    rootfs: { type: "layers", diff_ids: [digestOf(image.tar)] },
    history: [{ created_by: "import" }],
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: { ...described(config), mediaType: "application/vnd.docker.container.image.v1+json" },
    layers: [{ ...described(layer), mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }],
  });
  return new Map([
    [`${image.name}/blobs/${pathOf(config)}`, config],
    [`${image.name}/blobs/${pathOf(layer)}`, layer],
    [`${image.name}/manifests/${pathOf(manifest)}`, manifest],
    [`${image.name}/manifests/${image.tag}`, Buffer.from(digestOf(manifest))],
  ]);
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function hexOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function digestOf(content: Uint8Array): string {
  return `sha256:${hexOf(content)}`;
}

function described(content: Uint8Array): { readonly digest: string; readonly size: number } {
  return { digest: digestOf(content), size: content.length };
}

function pathOf(content: Uint8Array): string {
  const hex = hexOf(content);
  return `sha256/${hex.slice(0, 2)}/${hex}/data`;
}
