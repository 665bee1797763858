// How this program was called, so that what is printed can be typed. Pure.

export interface Call {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** URL of a module of the program. */
  readonly module: string;
  /** process.argv[1] */
  readonly script: string | undefined;
}

const packageName = "@virtual-kubelet/virtual-kubelet";

/** "virtual-kubelet", or what stands before the sub-command where that is not on the PATH. */
export function ownCommand({ env, module, script }: Call): string {
  // Of the registry, in npm's own cache; else of a project that has it installed, a clone among them.
  if (/[/\\]_npx[/\\]/.test(module)) return `npx ${packageName}`;
  if (env["npm_execpath"] !== undefined || env["npm_lifecycle_event"] !== undefined) return "npx virtual-kubelet";
  if (script !== undefined && /[/\\]virtual-kubelet$/.test(script)) return "virtual-kubelet";
  return "npx virtual-kubelet";
}

/** For a POSIX shell, where it is needed. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
