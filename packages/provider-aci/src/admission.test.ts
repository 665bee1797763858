// What of a pod is refused before anything is made, by field.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { admitPod } from "./admission.ts";
import { parseAciConfig } from "./config.ts";

const account = {
  ...{ subscription: "00000000-1111-2222-3333-444444444444", resourceGroup: "pods", region: "westeurope" },
};
const subnet = { network: { subnet: { virtualNetwork: "net", name: "pods" } } };
const spot = { "virtual-kubelet.io/aci-priority": "Spot" };
const priority = "metadata.annotations[virtual-kubelet.io/aci-priority]";

interface Case {
  readonly title: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly container?: Readonly<Record<string, unknown>>;
  readonly operatingSystem?: "windows";
  /** Absent: it is admitted. */
  readonly refused?: { readonly field: string; readonly message: RegExp };
}

const cases: readonly Case[] = [
  { title: "spot", annotations: spot },
  {
    title: "spot in a subnet",
    settings: subnet,
    annotations: spot,
    refused: { field: priority, message: /no Spot groups in subnets$/ },
  },
  {
    title: "spot by configuration, in a subnet",
    settings: { ...subnet, priority: "Spot" },
    refused: { field: priority, message: /in subnets; Spot is what the provider's configuration says: Regular here/ },
  },
  {
    title: "not spot, against the configuration",
    settings: { ...subnet, priority: "Spot" },
    annotations: { "virtual-kubelet.io/aci-priority": "Regular" },
  },
  {
    title: "spot in zones",
    annotations: { ...spot, "virtual-kubelet.io/aci-zones": "1" },
    refused: { field: priority, message: /in zones$/ },
  },
  {
    title: "spot and confidential",
    annotations: { ...spot, "virtual-kubelet.io/container-sku": "confidential" },
    refused: { field: priority, message: /confidential$/ },
  },
  {
    title: "spot with a public port",
    settings: { network: { publicIP: true } },
    annotations: spot,
    container: { ports: [{ containerPort: 80 }] },
    refused: { field: priority, message: /with ports$/ },
  },
  {
    title: "spot with a port that has no address",
    annotations: spot,
    container: { ports: [{ containerPort: 80 }] },
  },
  {
    title: "spot with a GPU",
    settings: { gpuSKU: "V100" },
    annotations: spot,
    container: { resources: { limits: { "nvidia.com/gpu": "1" } } },
    refused: { field: priority, message: /with GPUs$/ },
  },
  {
    title: "a working directory on Windows, where no shell could change to it",
    operatingSystem: "windows",
    container: { command: ["app.exe"], workingDir: "c:/app" },
    refused: { field: "spec.containers[0].workingDir", message: /Windows no \/bin\/sh$/ },
  },
  {
    title: "a working directory of an image whose registry may be asked",
    container: { image: "registry.example.com/app:1", workingDir: "/app" },
  },
  {
    title: "a working directory of an image whose registry may not",
    settings: { imageLookups: { hosts: ["*.example.org"] } },
    container: { image: "registry.example.com/app:1", workingDir: "/app" },
    refused: { field: "spec.containers[0].workingDir", message: /registry\.example\.com is not among imageLookups/ },
  },
];

describe("admission", () => {
  for (const { title, settings = {}, annotations = {}, container = {}, refused, operatingSystem = "linux" } of cases)
    it(`${title} is ${refused === undefined ? "taken" : "refused"}`, () => {
      const config = parseAciConfig({ ...account, ...settings });
      const pod: Pod = {
        metadata: { name: "p", annotations },
        spec: { containers: [{ name: "main", image: "app:1", ...container }] },
      };
      const admit = (): void => admitPod(pod, { config, operatingSystem });
      if (refused === undefined) admit();
      else assert.throws(admit, { kind: "Unsupported", ...refused });
    });
});
