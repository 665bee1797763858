// /configz, /statusz and /flagz: what the program is, since when it runs and how it was set. Never a secret.
import { stringify } from "yaml";
import { send, sendJson, sendText } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

export interface ZPagesOptions {
  readonly configuration: (node: string) => Readonly<Record<string, unknown>>;
  readonly flags: Readonly<Record<string, string>>;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly paths: () => readonly string[];
}

type Form = "text" | "json" | "yaml";

const group = "config.k8s.io/v1beta1";

export function configzHandler({ configuration }: ZPagesOptions): KubeletHandler {
  return async ({ node, response }) => sendJson(response, { kubeletconfig: configuration(node.name) });
}

export function statuszHandler({ version, startedAt, paths }: ZPagesOptions): KubeletHandler {
  return async (call) => {
    const up = Math.floor((Date.now() - startedAt) / 1000);
    const facts = {
      startTime: new Date(startedAt).toISOString(),
      uptimeSeconds: up,
      goVersion: `node ${process.version}`,
      binaryVersion: version,
      emulationVersion: version,
      paths: paths(),
    };
    const lines = [
      "kubelet statusz",
      "For people to read; its form may change.",
      "",
      `Started: ${new Date(startedAt).toUTCString()}`,
      `Up: ${durationText(up)}`,
      `Runtime: Node.js ${process.version}`,
      `Binary version: ${version}`,
      `Paths: ${paths().join(" ")}`,
      "",
    ];
    answer(call, "Statusz", facts, lines.join("\n"));
  };
}

export function flagzHandler({ flags }: ZPagesOptions): KubeletHandler {
  return async (call) => {
    const lines = Object.entries(flags).map(([name, value]) => `${name}=${value}`);
    const text = ["kubelet flagz", "For people to read; its form may change.", "", ...lines, ""].join("\n");
    answer(call, "Flagz", { flags }, text);
  };
}

function answer(
  { headers, response }: Parameters<KubeletHandler>[0],
  kind: "Statusz" | "Flagz",
  facts: object,
  text: string,
): void {
  const form = formOf(String(headers["accept"] ?? ""), kind);
  const object = { kind, apiVersion: group, metadata: { name: "kubelet" }, ...facts };
  const type = `application/${form};v=v1beta1;g=config.k8s.io;as=${kind}`;
  if (form === undefined) sendText(response, 406, "406: Not Acceptable\n");
  else if (form === "text") sendText(response, 200, text);
  else send(response, 200, form === "json" ? JSON.stringify(object) : stringify(object), { "Content-Type": type });
}

/** The first of the Accept header's forms that there is. Structured ones must say version, group and kind. */
function formOf(accept: string, kind: "Statusz" | "Flagz"): Form | undefined {
  const ranges = accept.split(",").map((range) => range.trim());
  if (ranges.every((range) => range === "")) return "text";
  for (const range of ranges) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const values = new Map(parameters.map((parameter) => [parameter.split("=")[0], parameter.split("=")[1]]));
    if (type === "text/plain" || type === "text/*" || type === "*/*") return "text";
    const fits = values.get("v") === "v1beta1" && values.get("g") === "config.k8s.io" && values.get("as") === kind;
    if (fits && type === "application/json") return "json";
    if (fits && type === "application/yaml") return "yaml";
  }
  return undefined;
}

function durationText(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours} hr ${String(minutes).padStart(2, "0")} min ${String(seconds % 60).padStart(2, "0")} sec`;
}
