// Text of others on a terminal: what would steer it is shown as an escape instead.

/** Control characters (of C0, with line ends and tabs, and of C1) and those that turn the direction of writing. */
const steering = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** The same text in one line, with `\u001b` and the like for what a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(steering, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** As `printable`, but its line ends stay. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
