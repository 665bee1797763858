// Parser of the small shell: words and quotes, variables, lists by ; && || and newline, pipes, redirections, comments. What
// it does not know (substitution, loops, jobs) it refuses by name. Pure.

/** A piece of a word; unquoted variables are split into fields. */
export type WordPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "variable";
      readonly name: string;
      readonly quoted: boolean;
      readonly fallback?: string | undefined;
    };

/** An empty pair of quotes makes a word of its own. */
export interface Word {
  readonly parts: readonly WordPart[];
}

export interface Redirection {
  readonly fd: 0 | 1 | 2;
  readonly operator: "<" | ">" | ">>" | ">&";
  readonly target: Word;
}

export interface SimpleCommand {
  readonly assignments: readonly { readonly name: string; readonly value: Word }[];
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
}

export interface Pipeline {
  readonly negated: boolean;
  readonly commands: readonly SimpleCommand[];
  /** What the exit code of the one before must be, for this one to run. */
  readonly when: "always" | "succeeded" | "failed";
}

export type Parsed =
  | { readonly type: "script"; readonly pipelines: readonly Pipeline[] }
  /** A quote or an operator waits for more lines. */
  | { readonly type: "incomplete" }
  | { readonly type: "fault"; readonly message: string };

const reserved = "if then else elif fi for while until do done case esac in function { } [[".split(" ");

type Token =
  | { readonly type: "word"; readonly word: Word; readonly plain: string | undefined }
  | { readonly type: "operator"; readonly text: string; readonly fd?: 0 | 1 | 2 | undefined };

export function parse(script: string): Parsed {
  const tokens = tokenize(script);
  if ("type" in tokens) return tokens;
  return new Parser(tokens).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Parsed {
    const pipelines: Pipeline[] = [];
    let when: Pipeline["when"] = "always";
    for (;;) {
      while (this.#operator("\n")) this.#at += 1;
      const token = this.#tokens[this.#at];
      if (token === undefined) {
        return when === "always" ? { type: "script", pipelines } : { type: "incomplete" };
      }
      const commands: SimpleCommand[] = [];
      const negated = token.type === "word" && token.plain === "!";
      if (negated) this.#at += 1;
      for (;;) {
        const command = this.#command();
        if ("type" in command) return command;
        commands.push(command);
        if (!this.#operator("|")) break;
        this.#at += 1;
        while (this.#operator("\n")) this.#at += 1;
        if (this.#tokens[this.#at] === undefined) return { type: "incomplete" };
      }
      pipelines.push({ negated, commands, when });
      const next = this.#tokens[this.#at];
      if (next === undefined) return { type: "script", pipelines };
      if (next.type !== "operator" || ![";", "\n", "&&", "||"].includes(next.text)) return unexpected(next);
      this.#at += 1;
      when = next.text === "&&" ? "succeeded" : next.text === "||" ? "failed" : "always";
    }
  }

  #operator(text: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.type === "operator" && token.text === text;
  }

  #command(): SimpleCommand | Exclude<Parsed, { type: "script" }> {
    const assignments: { name: string; value: Word }[] = [];
    const words: Word[] = [];
    const redirections: Redirection[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.type === "word") {
        this.#at += 1;
        const assigned = words.length === 0 ? assignment(token.word) : undefined;
        if (words.length === 0 && token.plain !== undefined && reserved.includes(token.plain)) {
          return { type: "fault", message: `${token.plain}: not supported by this shell` };
        }
        if (assigned !== undefined) assignments.push(assigned);
        else words.push(token.word);
        continue;
      }
      const operator = token?.text;
      if (operator !== "<" && operator !== ">" && operator !== ">>" && operator !== ">&") break;
      const target = this.#tokens[this.#at + 1];
      if (target?.type !== "word") return unexpected(target);
      redirections.push({ fd: token?.fd ?? (operator === "<" ? 0 : 1), operator, target: target.word });
      this.#at += 2;
    }
    if (assignments.length + words.length + redirections.length === 0) return unexpected(this.#tokens[this.#at]);
    return { assignments, words, redirections };
  }
}

function unexpected(token: Token | undefined): Parsed & { type: "fault" } {
  const what =
    token === undefined
      ? "end of file"
      : token.type === "word"
        ? "word"
        : token.text === "\n"
          ? "newline"
          : `"${token.text}"`;
  const known = token?.type === "operator" && !["(", ")", "&", "<<", ";;"].includes(token.text);
  return {
    type: "fault",
    message:
      known || token?.type !== "operator" ? `syntax error: unexpected ${what}` : `${what}: not supported by this shell`,
  };
}

function assignment(word: Word): { readonly name: string; readonly value: Word } | undefined {
  const [first, ...rest] = word.parts;
  if (first?.type !== "text") return undefined;
  const match = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(first.text);
  if (match === null) return undefined;
  const [, name = "", text = ""] = match;
  return { name, value: { parts: [{ type: "text", text }, ...rest] } };
}

function tokenize(script: string): readonly Token[] | Exclude<Parsed, { type: "script" }> {
  const tokens: Token[] = [];
  for (let at = 0; at < script.length; ) {
    const char = script[at] ?? "";
    if (char === " " || char === "\t" || char === "\r") at += 1;
    else if (char === "\\" && script[at + 1] === "\n") at += 2;
    else if (char === "#") {
      while (at < script.length && script[at] !== "\n") at += 1;
    } else {
      const operator = /^(?:([012])?(>>|>&|<<|>|<)|&&|\|\||;;|[;&|()\n])/.exec(script.slice(at, at + 4));
      if (operator !== null) {
        const [whole, fd, redirect] = operator;
        const number = fd === "0" ? 0 : fd === "1" ? 1 : fd === "2" ? 2 : undefined;
        tokens.push({ type: "operator", text: redirect ?? whole, fd: number });
        at += whole.length;
        continue;
      }
      const read = readWord(script, at);
      if ("type" in read) return read;
      tokens.push({ type: "word", word: read.word, plain: read.plain });
      at = read.end;
    }
  }
  return tokens;
}

type WordRead = { readonly word: Word; readonly plain: string | undefined; readonly end: number };

function readWord(script: string, start: number): WordRead | Exclude<Parsed, { type: "script" }> {
  const parts: WordPart[] = [];
  let text = "";
  let hasQuotes = false;
  let quote = false;
  let at = start;
  const flush = (): void => {
    if (text !== "") parts.push({ type: "text", text });
    text = "";
  };
  while (at < script.length) {
    const char = script[at] ?? "";
    if (!quote && /[\s;&|<>()]/.test(char)) break;
    if (char === "'" && !quote) {
      const end = script.indexOf("'", at + 1);
      if (end < 0) return { type: "incomplete" };
      text += script.slice(at + 1, end);
      hasQuotes = true;
      at = end + 1;
    } else if (char === '"') {
      quote = !quote;
      hasQuotes = true;
      at += 1;
    } else if (char === "\\") {
      const next = script[at + 1];
      if (next === undefined) return { type: "incomplete" };
      if (next !== "\n") text += quote && !'$`"\\'.includes(next) ? `\\${next}` : next;
      hasQuotes = true;
      at += 2;
    } else if (char === "`" || (char === "$" && script[at + 1] === "(")) {
      return { type: "fault", message: "command substitution: not supported by this shell" };
    } else if (char === "$") {
      const match = /^\$(?:([A-Za-z_]\w*|[?$#@*0-9!])|\{([A-Za-z_]\w*|[?$#@*]|\d+)(?::-([^}]*))?\})/.exec(
        script.slice(at),
      );
      if (match === null) {
        if (script[at + 1] === "{") return { type: "fault", message: "bad substitution" };
        text += "$";
        at += 1;
        continue;
      }
      flush();
      parts.push({ type: "variable", name: match[1] ?? match[2] ?? "", quoted: quote, fallback: match[3] });
      at += match[0].length;
    } else {
      text += char;
      at += 1;
    }
  }
  if (quote) return { type: "incomplete" };
  flush();
  const [only] = parts;
  const plain = !hasQuotes && parts.length === 1 && only?.type === "text" ? only.text : undefined;
  // A quoted nothing is a word, an unquoted variable without a value is none.
  const stands = parts.some((part) => part.type === "text" || part.name === "@");
  if (hasQuotes && !stands) parts.push({ type: "text", text: "" });
  return { word: { parts }, plain, end: at };
}
