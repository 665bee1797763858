// Templates of tasks, as far as they are used: variables of Nomad, base64, JSON, braces. Pure.

/** Of a variable that the task may read; undefined: there is none. */
export type ReadVariable = (path: string) => Readonly<Record<string, string>> | undefined;

/** `missing`: a variable that is not there, for which Nomad waits. Throws for what Nomad cannot read. */
export type Rendered = { readonly data: Buffer } | { readonly missing: string };

export function renderTemplate(text: string, read: ReadVariable): Rendered {
  const parts: Buffer[] = [];
  let items: Readonly<Record<string, string>> | undefined;
  let at = 0;
  for (const { 0: whole, 1: action = "", index } of text.matchAll(/\{\{(.*?)\}\}/gs)) {
    // Braces in quotes end nothing.
    if (index < at) continue;
    parts.push(Buffer.from(text.slice(at, index)));
    at = index + whole.length;
    if (/^\s*"\{\{"\s*$/.test(action)) {
      parts.push(Buffer.from("{{"));
      continue;
    }
    const [, path] = /^ with nomadVar "([^"]+)" $/.exec(action) ?? [];
    if (path !== undefined) {
      items = read(path);
      if (items === undefined) return { missing: path };
    } else if (action === " end ") items = undefined;
    else parts.push(writtenBy(action, items));
  }
  parts.push(Buffer.from(text.slice(at)));
  return { data: Buffer.concat(parts) };
}

function writtenBy(action: string, items: Readonly<Record<string, string>> | undefined): Buffer {
  const [, key, literal, pipe = ""] =
    /^ base64Decode (?:\.([A-Za-z]\w*)\.Value|"([A-Za-z0-9+/=]*)") (\| toJSON )?$/.exec(action) ?? [];
  const encoded = key === undefined ? literal : items?.[key];
  if (encoded === undefined) throw new Error(`template: unexpected {{${action}}}`);
  const data = Buffer.from(encoded, "base64");
  return pipe === "" ? data : Buffer.from(JSON.stringify(data.toString("utf8")));
}

/** Lines of NAME="text" in JSON, as of a template of variables. Throws for others. */
export function envLines(text: string): Readonly<Record<string, string>> {
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, json = ""] = /^([^=]+)=(".*")$/.exec(line) ?? [];
      const value: unknown = name === undefined ? undefined : JSON.parse(json);
      if (name === undefined || typeof value !== "string") throw new Error(`no variable: ${line}`);
      return [name, value] as const;
    }),
  );
}
