// What a check of the docs found: where, and what would be valid. And what is known of the project that pages refer to.

export interface Finding {
  /** Relative to the root of the project. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface Project {
  /** Absolute path of the root. */
  readonly root: string;
  /** Of the root's package.json. */
  readonly npmScripts: Readonly<Record<string, string>>;
  /** Names of the packages here. */
  readonly packages: readonly string[];
}
