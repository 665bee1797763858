// `virtual-kubelet get`: lists objects as the API server's own tables have them, or as JSON, YAML or names; -w goes on with changes.
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import { watchError } from "../kube/api-errors.ts";
import { type KubeObject, type Resource, resourcePath } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import { LineSplitter } from "../kube/watch-stream.ts";
import { printable, printableLines } from "../printable.ts";
import { flagText } from "../program/load-config.ts";
import { asked, type Cluster, openCluster, serverError } from "./cluster.ts";
import { type Invocation, isSet, WrongUse } from "./invocation.ts";
import { findResource } from "./resources.ts";
import { readTable, type Table, TableText, tableAccept } from "./table.ts";
import { yamlForTerminal } from "./yaml-text.ts";

const outputs = ["", "wide", "json", "yaml", "name"] as const;
type Output = (typeof outputs)[number];

interface Wanted {
  readonly of: Resource<KubeObject>;
  /** Empty: all. */
  readonly names: readonly string[];
}

/** 0, or 1 where something was not found. Throws WrongUse, VirtualKubeletError. */
export async function get(input: Invocation): Promise<number> {
  const { line, operands } = input;
  const text = flagText(line, "output") ?? "";
  const output = outputs.find((each) => each === text);
  if (output === undefined) throw new WrongUse(`-o ${text}: must be wide, json, yaml or name`);
  if (operands.length === 0) throw new WrongUse("get what? For example: get pods, get nodes, get events -A");
  await using cluster = await openCluster(input);
  const wanted = await readOperands(cluster, operands);
  const watch = isSet(line, "watch");
  if (watch && wanted.length > 1) throw new WrongUse("-w follows one kind at a time");
  if (watch && output !== "" && output !== "wide") throw new WrongUse("-w prints tables: without -o, or with -o wide");
  if (isSet(line, "all-namespaces") && wanted.some(({ names }) => names.length > 0))
    throw new WrongUse("a name is of one namespace: -n instead of -A");
  const getting = new Getting(input, cluster, output);
  if (output === "" || output === "wide") return await getting.tables(wanted, watch);
  return await getting.objects(wanted, output);
}

/** `pods`, `pods a b`, `pods,jobs`, `pod/a job/b` */
async function readOperands(cluster: Cluster, operands: readonly string[]): Promise<readonly Wanted[]> {
  const [first = "", ...names] = operands;
  if (operands.some((word) => word.includes("/"))) {
    const wanted = operands.map(async (word) => {
      const [kind = "", name = "", ...more] = word.split("/");
      if (kind === "" || name === "" || more.length > 0)
        throw new WrongUse(`"${word}": every word must be TYPE/NAME where one is`);
      return { of: await findResource(cluster, kind), names: [name] };
    });
    return Promise.all(wanted);
  }
  const kinds = first.split(",").filter((kind) => kind !== "");
  return Promise.all(kinds.map(async (kind) => ({ of: await findResource(cluster, kind), names })));
}

class Getting {
  readonly #input: Invocation;
  readonly #cluster: Cluster;
  readonly #output: Output;

  constructor(input: Invocation, cluster: Cluster, output: Output) {
    this.#input = input;
    this.#cluster = cluster;
    this.#output = output;
  }

  get #everywhere(): boolean {
    return isSet(this.#input.line, "all-namespaces");
  }

  #path(of: Resource<KubeObject>, name: string | undefined, more: Readonly<Record<string, string>> = {}): string {
    const { line } = this.#input;
    const namespace = this.#everywhere ? undefined : this.#cluster.namespace;
    const query = new URLSearchParams(more);
    const selector = flagText(line, "selector");
    if (selector !== undefined && name === undefined) query.set("labelSelector", selector);
    const fields = flagText(line, "field-selector");
    if (fields !== undefined && name === undefined && !query.has("fieldSelector")) query.set("fieldSelector", fields);
    const text = query.toString();
    return `${resourcePath(of, { namespace, name })}${text === "" ? "" : `?${text}`}`;
  }

  async tables(wanted: readonly Wanted[], watch: boolean): Promise<number> {
    const { stdout, stderr, line } = this.#input;
    const several = wanted.length > 1;
    let missing = 0;
    let printed = 0;
    for (const { of, names } of wanted) {
      const text = new TableText({
        wide: this.#output === "wide",
        namespaces: this.#everywhere && of.namespaced,
        headers: !isSet(line, "no-headers"),
      });
      const tables: Table[] = [];
      for (const name of names.length === 0 ? [undefined] : names) {
        try {
          tables.push(await this.#table(this.#path(of, name), of));
        } catch (error) {
          if (!isErrorKind(error, "NotFound") || name === undefined) throw error;
          stderr.write(`${serverError(error)}\n`);
          missing += 1;
        }
      }
      const rows = tables.flatMap((table) => withKind(table, several ? of : undefined));
      if (rows.length > 0) {
        if (printed > 0) stdout.write("\n");
        stdout.write(text.add({ columns: tables[0]?.columns ?? [], rows }));
        printed += 1;
      } else if (names.length === 0 && !watch && !several) stderr.write(`${this.#none(of)}\n`);
      if (watch) await this.#watch({ of, names }, tables, text);
    }
    if (printed === 0 && several && missing === 0) stderr.write(`${this.#none()}\n`);
    return missing > 0 ? 1 : 0;
  }

  #none(of?: Resource<KubeObject>): string {
    if (this.#everywhere || of?.namespaced === false) return "No resources found";
    return `No resources found in ${this.#cluster.namespace} namespace.`;
  }

  async #table(path: string, of: Resource<KubeObject>): Promise<Table> {
    const table = readTable(await this.#cluster.json(path, tableAccept));
    if (table === undefined)
      throw new VirtualKubeletError("Unsupported", `the server has no table for ${of.plural}: -o json, -o yaml`);
    return table;
  }

  /** Until the process ends; the server ends a watch every so often. */
  async #watch({ of, names }: Wanted, tables: readonly Table[], text: TableText): Promise<void> {
    const [name, ...more] = names;
    if (more.length > 0) throw new WrongUse("-w follows one name, or all of a kind");
    let version = tables[0]?.resourceVersion ?? "";
    for (;;) {
      const where = { watch: "true", allowWatchBookmarks: "true", resourceVersion: version };
      const only: Readonly<Record<string, string>> =
        name === undefined ? where : { ...where, fieldSelector: `metadata.name=${name}` };
      const lines = new LineSplitter();
      for await (const chunk of this.#cluster.stream(this.#path(of, undefined, only), tableAccept)) {
        for (const each of lines.push(chunk)) {
          const event: unknown = JSON.parse(each.toString("utf8"));
          if (!isObject(event)) continue;
          if (event["type"] === "ERROR") throw watchError(event["object"], asked);
          const table = readTable(event["object"]);
          version = versionOf(event["object"]) || version;
          if (table !== undefined && event["type"] !== "BOOKMARK") this.#input.stdout.write(text.add(table));
        }
      }
    }
  }

  async objects(wanted: readonly Wanted[], output: Output): Promise<number> {
    const { stdout, stderr } = this.#input;
    const items: unknown[] = [];
    let missing = 0;
    let single: unknown;
    for (const { of, names } of wanted) {
      if (names.length === 0) {
        const list = await this.#cluster.json(this.#path(of, undefined));
        const found = isObject(list) && Array.isArray(list["items"]) ? list["items"] : [];
        const apiVersion = of.group === "" ? of.version : `${of.group}/${of.version}`;
        items.push(...found.map((item: unknown) => ({ apiVersion, kind: of.kind, ...(isObject(item) ? item : {}) })));
        continue;
      }
      for (const name of names) {
        try {
          single = await this.#cluster.json(this.#path(of, name));
          items.push(single);
        } catch (error) {
          if (!isErrorKind(error, "NotFound")) throw error;
          stderr.write(`${serverError(error)}\n`);
          missing += 1;
        }
      }
    }
    const told = items.map(withoutManagedFields);
    const isOne = single !== undefined && wanted.length === 1 && wanted[0]?.names.length === 1;
    if (output === "name") stdout.write(told.map(nameLine).join(""));
    else if (items.length > 0 || missing === 0) {
      const value = isOne
        ? told[0]
        : { apiVersion: "v1", kind: "List", metadata: { resourceVersion: "" }, items: told };
      stdout.write(
        output === "json" ? printableLines(`${JSON.stringify(value, undefined, 4)}\n`) : yamlForTerminal(value),
      );
    }
    return missing > 0 ? 1 : 0;
  }
}

function withKind({ rows }: Table, of: Resource<KubeObject> | undefined): Table["rows"] {
  if (of === undefined) return rows;
  const prefix = `${of.kind.toLowerCase()}${of.group === "" ? "" : `.${of.group}`}/`;
  return rows.map((row) => ({ ...row, cells: row.cells.map((cell, at) => (at === 0 ? prefix + cell : cell)) }));
}

function versionOf(object: unknown): string {
  if (!isObject(object)) return "";
  const { metadata, rows } = object;
  const own = isObject(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof own === "string" && own !== "") return own;
  const [row]: unknown[] = Array.isArray(rows) ? rows : [];
  return isObject(row) ? versionOf(row["object"]) : "";
}

function withoutManagedFields(value: unknown): unknown {
  if (!isObject(value) || !isObject(value["metadata"])) return value;
  const { managedFields: _dropped, ...metadata } = value["metadata"];
  return { ...value, metadata };
}

function nameLine(value: unknown): string {
  if (!isObject(value)) return "";
  const { apiVersion, kind, metadata } = value;
  const group = String(apiVersion).includes("/") ? `.${String(apiVersion).replace(/\/.*/, "")}` : "";
  return `${printable(`${String(kind).toLowerCase()}${group}/${isObject(metadata) ? String(metadata["name"]) : ""}`)}\n`;
}
