// Who may see what of the web view: known and allowed as for the kubelet API, node by node.
import { VirtualKubeletError } from "../errors.ts";
import type { Authenticator, Authorizer, UserInfo } from "../server/access.ts";
import type { CallerCertificate } from "../server/verified-callers.ts";

export interface ViewCredentials {
  /** The Authorization header as it came. */
  readonly authorization: string | undefined;
  readonly certificate: CallerCertificate;
}

export interface Sight {
  readonly maySee: (node: string) => boolean;
}

export interface ViewAccess {
  /** Throws Unauthorized for nobody we know, Forbidden for who may see none of the nodes. */
  sightOf(credentials: ViewCredentials, nodes: readonly string[], signal: AbortSignal): Promise<Sight>;
}

/** What a kubelet asks for its list of pods, which tells more of them than the view does. */
const subresources: readonly string[] = ["pods", "proxy"];

/** With more nodes only who may see all of them sees any: each one would be a question of its own. */
const askedOneByOne = 50;

export function reviewedAccess(authenticator: Authenticator, authorizer: Authorizer): ViewAccess {
  return {
    async sightOf({ authorization, certificate }, nodes, signal) {
      const isBad = certificate === "bad";
      const verifiedCertificate = isBad ? undefined : certificate?.verified;
      const user = await authenticator.authenticate(
        { authorization, verifiedCertificate, hasBadCertificate: isBad },
        signal,
      );
      if (user === undefined) throw new VirtualKubeletError("Unauthorized", "Unauthorized");
      const isAllowed = async (node: string): Promise<boolean> =>
        (await authorizer.authorize(user, { node, verb: "get", subresources }, signal)).allowed;
      if (nodes.length > 1 && (await isAllowed(""))) return { maySee: () => true };
      if (nodes.length > askedOneByOne) throw forbidden(user);
      const allowed = await Promise.all(nodes.map(isAllowed));
      const visible = new Set(nodes.filter((_, index) => allowed[index]));
      if (visible.size === 0) throw forbidden(user);
      return { maySee: (node) => visible.has(node) };
    },
  };
}

/** For loopback, where that was asked for. */
export const insecureEverybodySees: ViewAccess = {
  sightOf: () => Promise.resolve({ maySee: () => true }),
};

function forbidden({ username }: UserInfo): VirtualKubeletError {
  return new VirtualKubeletError(
    "Forbidden",
    `Forbidden (user=${username}, verb=get, resource=nodes, subresource(s)=[${subresources.join(" ")}])`,
  );
}
