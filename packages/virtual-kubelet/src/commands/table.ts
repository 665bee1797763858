// The Table that the API server answers, as text in columns. Pure but for the widths that it keeps.
import { isObject } from "../kube/stored.ts";
import { printable } from "../printable.ts";

export interface Row {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly cells: readonly string[];
}

export interface Column {
  readonly name: string;
  /** Shown by -o wide alone. */
  readonly wide: boolean;
}

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly resourceVersion: string;
}

/** What the API server is asked for. */
export const tableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/** Undefined for what is no Table: some servers of aggregated APIs answer the objects themselves. */
export function readTable(value: unknown): Table | undefined {
  if (!isObject(value) || value["kind"] !== "Table") return undefined;
  const { columnDefinitions, rows, metadata } = value;
  return {
    // Those of a watch have them in their first event alone.
    columns: (Array.isArray(columnDefinitions) ? columnDefinitions : []).filter(isObject).map(({ name, priority }) => ({
      name: printable(String(name)),
      wide: typeof priority === "number" && priority > 0,
    })),
    rows: (Array.isArray(rows) ? rows : []).filter(isObject).map(rowOf),
    resourceVersion: textOf(isObject(metadata) ? metadata["resourceVersion"] : undefined),
  };
}

function rowOf({ object, cells }: Readonly<Record<string, unknown>>): Row {
  const metadata = isObject(object) && isObject(object["metadata"]) ? object["metadata"] : {};
  return {
    namespace: printable(textOf(metadata["namespace"])),
    name: textOf(metadata["name"]),
    uid: textOf(metadata["uid"]),
    cells: (Array.isArray(cells) ? cells : []).map(cellText),
  };
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined || cell === "") return "<none>";
  const text = typeof cell === "object" ? JSON.stringify(cell) : String(cell);
  return printable(text.replaceAll(/\s*\n\s*/g, " "));
}

export interface TableStyle {
  readonly wide: boolean;
  readonly namespaces: boolean;
  readonly headers: boolean;
}

/** Writes rows as they come; columns never become narrower, so that later rows stand below the first. */
export class TableText {
  readonly #style: TableStyle;
  #columns: readonly Column[] = [];
  #widths: readonly number[] = [];
  #begun = false;

  constructor(style: TableStyle) {
    this.#style = style;
  }

  /** Lines for the rows, with headings the first time. */
  add({ columns, rows }: Pick<Table, "columns" | "rows">): string {
    if (columns.length > 0) this.#columns = columns;
    const { wide, namespaces, headers } = this.#style;
    const shown = (cells: readonly string[]): string[] =>
      cells.filter((_, index) => wide || this.#columns[index]?.wide !== true);
    const heading = [
      ...(namespaces ? ["NAMESPACE"] : []),
      ...shown(this.#columns.map(({ name }) => name.toUpperCase())),
    ];
    const lines = rows.map(({ namespace, cells }) => [...(namespaces ? [namespace] : []), ...shown(cells)]);
    const all = this.#begun || !headers ? lines : [heading, ...lines];
    this.#begun = true;
    this.#widths = heading.map((name, column) =>
      Math.max(this.#widths[column] ?? 0, headers ? name.length : 0, ...lines.map((line) => line[column]?.length ?? 0)),
    );
    return all
      .map((line) =>
        line
          .map((cell, column) => cell.padEnd(this.#widths[column] ?? 0))
          .join("   ")
          .trimEnd(),
      )
      .map((line) => `${line}\n`)
      .join("");
  }
}
