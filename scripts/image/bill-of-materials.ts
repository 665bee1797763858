// What is in an image, in CycloneDX: npm's list of packages, with Node.js and the system's packages added, and the same each time.
import * as v from "valibot";
import type { SystemPackage } from "./debian-packages.ts";

const billSchema = v.looseObject({
  metadata: v.looseObject({ component: v.looseObject({}) }),
  components: v.array(v.looseObject({ name: v.string() })),
});

export interface BillOptions {
  /** As `npm sbom` says it. */
  readonly npm: string;
  readonly system: readonly SystemPackage[];
  readonly nodeVersion: string;
  readonly version: string;
  /** RFC 3339. */
  readonly created: string;
}

export function billOfMaterials({ npm, system, nodeVersion, version, created }: BillOptions): string {
  // npm gives each list a number of its own.
  const { serialNumber: _, metadata, components, ...rest } = v.parse(billSchema, JSON.parse(npm));
  const image = { type: "container", name: "virtual-kubelet", version, "bom-ref": "virtual-kubelet-image" };
  const node = component(`pkg:generic/nodejs@${nodeVersion}`, "nodejs", nodeVersion);
  const debian = system.map(({ name, version: of, architecture, distribution }) => {
    const path = `${encodeURIComponent(distribution)}/${encodeURIComponent(name)}@${encodeURIComponent(of)}`;
    return component(`pkg:deb/${path}?arch=${architecture}`, name, of);
  });
  const bill = {
    ...rest,
    metadata: { ...metadata, timestamp: created, component: image },
    components: [...components, node, ...debian],
  };
  return `${JSON.stringify(bill, undefined, 1)}\n`;
}

function component(purl: string, name: string, version: string): Readonly<Record<string, string>> {
  return { "bom-ref": purl, type: "library", name, version, purl };
}
