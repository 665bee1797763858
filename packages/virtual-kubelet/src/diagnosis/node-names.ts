// Several nodes in one text: their names, and what is the same of them said once. Pure.

/** NODE in place of the name. */
export function withoutName(text: string, node: string): string {
  const name = node.replaceAll(/[.\\]/g, "\\$&");
  return text.replaceAll(new RegExp(`(?<![\\w.-])${name}(?![\\w-]|\\.\\w)`, "g"), "NODE");
}

/** As many as fit in a line. */
export function namesText(nodes: readonly string[]): string {
  return nodes.length > 6 ? `${nodes.slice(0, 5).join(", ")} and ${nodes.length - 5} more` : nodes.join(", ");
}
