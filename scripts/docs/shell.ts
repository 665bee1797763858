// Shell text as simple commands: enough of the language for what stands in docs. Pure.

export interface Command {
  readonly words: readonly string[];
  /** Of its beginning, counted from 1. */
  readonly line: number;
}

export interface Heredoc {
  readonly text: string;
  /** Of its first line, counted from 1. */
  readonly line: number;
}

export interface Script {
  readonly commands: readonly Command[];
  readonly heredocs: readonly Heredoc[];
}

/** In a text with prompts (`$ `), only the lines that have one are commands. */
export function readScript(text: string): Script {
  const lines = text.split("\n");
  const prompts = lines.some((line) => /^\s*\$ /.test(line));
  const commands: Command[] = [];
  const heredocs: Heredoc[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1;
    let logical = lines[at] ?? "";
    if (prompts && !/^\s*\$ /.test(logical)) continue;
    logical = logical.replace(/^\s*\$ /, "");
    while (isOpen(logical) && at + 1 < lines.length) {
      at += 1;
      logical = `${logical.replace(/\\$/, "")}${logical.endsWith("\\") ? "" : "\n"}${lines[at] ?? ""}`;
    }
    const end = /<<-?\s*(["']?)(\w+)\1/.exec(logical)?.[2];
    commands.push(...simpleCommands(logical.replace(/<<-?\s*(["']?)\w+\1/, "")).map((words) => ({ words, line })));
    if (end === undefined) continue;
    const from = at + 1;
    while (at + 1 < lines.length && lines[at + 1]?.trim() !== end) at += 1;
    heredocs.push({ text: lines.slice(from, at + 1).join("\n"), line: from + 1 });
    at += 1;
  }
  return { commands, heredocs };
}

/** Goes on in the next line: it ends in a backslash, or inside quotes. */
function isOpen(line: string): boolean {
  if (line.endsWith("\\")) return true;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? "";
    if (letter === "\\" && quote !== "'") at += 1;
    else if (quote === "" && letter === "#" && (at === 0 || /\s/.test(line[at - 1] ?? ""))) return false;
    else if (quote === "" && (letter === "'" || letter === '"')) quote = letter;
    else if (letter === quote) quote = "";
  }
  return quote !== "";
}

/** Words of each command between operators; redirections and assignments before a command are left out. */
function simpleCommands(line: string): string[][] {
  const found: string[][] = [];
  let words: string[] = [];
  let skipNext = false;
  const end = (): void => {
    while (/^\w+=/.test(words[0] ?? "") || ["sudo", "time", "exec", "nice", "env"].includes(words[0] ?? ""))
      words.shift();
    if (words.length > 0) found.push(words);
    words = [];
  };
  const word = String.raw`(?:\$\([^)]*\)|<\w[\w -]*>|[^\s"'\\;|&()<>]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+`;
  const token = new RegExp(String.raw`\s+|#.*|&&|\|\||[;|&()]|\d?>>?(?:&\d)?|<(?!\w[\w -]*>)|(${word})`, "gy");
  for (const [all, text] of line.matchAll(token)) {
    if (text !== undefined) {
      if (!skipNext) words.push(unquoted(text));
      skipNext = false;
    } else if (/^\d?[<>]/.test(all)) skipNext = !/&\d$/.test(all);
    else if (/^[&|;()]/.test(all)) end();
    else if (all.startsWith("#")) break;
  }
  end();
  return found;
}

function unquoted(word: string): string {
  return word.replaceAll(/\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g, (_all, escaped, double, single) =>
    String(escaped ?? (double === undefined ? single : String(double).replaceAll(/\\(["\\$`])/g, "$1"))),
  );
}
