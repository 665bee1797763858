// What --help says of one sub-command: its usage, what it is for, its flags.

import type { CommandFlag } from "./command-line.ts";
import { entry, wrap } from "./help-text.ts";

export interface DescribedCommand {
  /** As it is typed. */
  readonly usage: string;
  readonly about: string;
  readonly flags: readonly CommandFlag[];
  /** A last paragraph. */
  readonly note?: string | undefined;
}

/** Lines of at most `width` columns. */
export function subCommandHelp({ usage, about, flags, note }: DescribedCommand, width: number): string {
  const shown = flags.filter((flag) => flag.about !== undefined);
  const hasShort = shown.some(({ short }) => short !== undefined);
  const left = ({ name, short, value }: CommandFlag): string => {
    const letter = short === undefined ? (hasShort ? "    " : "") : `-${short}, `;
    return `${letter}--${name}${value === undefined ? "" : ` ${value}`}`;
  };
  return [
    `Usage: ${usage}`,
    "",
    ...wrap(about, width),
    ...(shown.length === 0 ? [] : ["", ...shown.map((flag) => entry(left(flag), flag.about ?? "", width))]),
    ...(note === undefined ? [] : ["", ...wrap(note, width)]),
    "",
  ].join("\n");
}
