// Parameters as the API takes them: lists are numbered from 1, members come after a dot (`Container.1.Port.2.Port`). Pure.

/** What is undefined is left out. In the order given. */
export function formOf(parameters: object): readonly (readonly [string, string])[] {
  return Object.entries(parameters).flatMap(([name, value]) => entriesOf(name, value));
}

function entriesOf(name: string, value: unknown): readonly (readonly [string, string])[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((each: unknown, index) => entriesOf(`${name}.${index + 1}`, each));
  if (typeof value === "object")
    return Object.entries(value).flatMap(([part, each]) => entriesOf(`${name}.${part}`, each));
  return [[name, String(value)]];
}

export function encodedForm(entries: readonly (readonly [string, string])[]): string {
  return entries.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
}

/** As RFC 3986 has it. */
export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
