// Why something is not fit to be released, by facts that somebody else gathered.
import { dependenciesOf, type Manifest } from "../packages/workspace.ts";

export interface ReleaseFacts {
  /** Paths that git shows as changed or unknown. */
  readonly changes: readonly string[];
  readonly manifests: readonly Manifest[];
  /** What the lock file says of them, by name. */
  readonly locked: Readonly<Record<string, string>>;
  /** What other files say it is: Helm's, the docs'. */
  readonly elsewhere: readonly { readonly file: string; readonly version: string }[];
  readonly changelog: string;
}

/** One line each; none: it is fit. */
export function releaseFaults({ changes, manifests, locked, elsewhere, changelog }: ReleaseFacts): readonly string[] {
  const faults: string[] = [];
  if (changes.length > 0) {
    const more = changes.length > 5 ? ` and ${changes.length - 5} more` : "";
    faults.push(`the working tree has changes: ${changes.slice(0, 5).join(", ")}${more}`);
  }
  const [version = ""] = manifests.map((manifest) => manifest.version);
  const setIt = "`npm run release -- version X.Y.Z` sets it everywhere";
  const told = manifests.map((manifest) => `${manifest.name} ${manifest.version}`);
  if (manifests.some((manifest) => manifest.version !== version))
    faults.push(`the packages have different versions: ${told.join(", ")}; ${setIt}`);
  for (const manifest of manifests) {
    for (const other of manifests) {
      const asked = dependenciesOf(manifest)[other.name];
      if (asked !== undefined && asked !== other.version)
        faults.push(`${manifest.name} asks for ${other.name} ${asked}, which is ${other.version}; ${setIt}`);
    }
    if (locked[manifest.name] !== manifest.version)
      faults.push(`package-lock.json has ${manifest.name} ${locked[manifest.name] ?? "nowhere"}; ${setIt}`);
  }
  for (const { file, version: found } of elsewhere)
    if (found !== version) faults.push(`${file} has version ${found}, the packages ${version}; ${setIt}`);
  return [...faults, ...changelogFaults(changelog, version)];
}

function changelogFaults(changelog: string, version: string): readonly string[] {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`${version} (`));
  if (section === undefined) return [`CHANGELOG.md has no section "## ${version} (YYYY-MM-DD)"`];
  const [heading = "", ...lines] = section.split("\n");
  if (heading.includes("(unreleased)"))
    return [`CHANGELOG.md calls ${version} unreleased; \`npm run release -- version ${version}\` sets the date`];
  if (!/ \(\d{4}-\d\d-\d\d\)$/.test(heading)) return [`CHANGELOG.md: "## ${heading}" has no date (YYYY-MM-DD)`];
  return lines.some((line) => line.startsWith("- ")) ? [] : [`CHANGELOG.md says nothing of ${version}`];
}

/** What a registry asks for before it takes a statement of provenance. */
export function provenanceFaults(
  repository: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const faults: string[] = [];
  if (repository === undefined)
    faults.push(
      "the repository's address, which the packages have to name: --repository git+https://host/owner/name.git",
    );
  else if (!/^git\+https:\/\/[^/\s]+\/\S+$/.test(repository))
    faults.push(`an address of the repository like git+https://host/owner/name.git; --repository is ${repository}`);
  const identities = ["ACTIONS_ID_TOKEN_REQUEST_URL", "SIGSTORE_ID_TOKEN"];
  if (!identities.some((name) => (environment[name] ?? "") !== ""))
    faults.push(`a run of CI that gets an OIDC token (${identities.join(" or ")} is set there)`);
  return faults;
}
