// YAML that does not steer the terminal it is printed on, and means the same.
import { Document, Scalar, visit } from "yaml";
import { printable } from "../printable.ts";

/** Line ends and tabs stay: texts of many lines are to be read. */
const escaped = (text: string): string => text.replaceAll(/[^\n\t]+/g, printable);

/** Texts with characters that a terminal would obey are quoted, where YAML has escapes for them. */
export function yamlForTerminal(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === "string" && escaped(node.value) !== node.value) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return escaped(document.toString());
}
