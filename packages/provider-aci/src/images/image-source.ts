// Where the configuration of an image is: whose registry is asked for it, and which may be. Pure.
import { parseImageName } from "@virtual-kubelet/virtual-kubelet";
import type { AciConfig } from "../config.ts";
import { fitsPattern } from "../wildcard.ts";

export interface ImageSource {
  /** Without a slash at its end. */
  readonly url: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
  /** The cloud pulls there as a managed identity; this program asks as its own. */
  readonly asIdentity: boolean;
}

export type ImageSourceConfig = Pick<AciConfig, "imageLookups" | "registries">;

const hostForm = /^[\w.-]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$/;
const pathForm = /^[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const referenceForm = /^\w[\w.-]{0,127}$|^[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,}$/;

/** Why it is not asked for is the text. */
export function imageSource(image: string, { imageLookups, registries }: ImageSourceConfig): ImageSource | string {
  const { repository, tag = "latest", digest } = parseImageName(image);
  const { host, path } = parted(repository);
  // It becomes a part of a URL: nothing but a name may.
  const isName = pathForm.test(path) && referenceForm.test(digest ?? tag) && (host === "" || hostForm.test(host));
  if (!isName) return `"${image}" is no name of an image`;
  const endpoint = imageLookups.endpoints.find(({ registry }) => registry === host)?.url;
  if (host === "" && endpoint === undefined)
    return "which registry images without one come from is not configured (imageLookups.endpoints)";
  if (!imageLookups.hosts.some((pattern) => fitsPattern(host, pattern)))
    return `${host === "" ? "images without a registry are" : `${host} is`} not among imageLookups.hosts`;
  const isShort = host === "" && !path.includes("/");
  return {
    url: (endpoint ?? `https://${host}`).replace(/\/+$/, ""),
    repository: isShort ? `library/${path}` : path,
    reference: digest ?? tag,
    asIdentity: registries.some(({ server }) => server === host),
  };
}

function parted(repository: string): { readonly host: string; readonly path: string } {
  const [first = "", ...rest] = repository.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  return isHost ? { host: first, path: rest.join("/") } : { host: "", path: repository };
}
