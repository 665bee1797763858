// What `doctor` can say of the kubelet API of a node that does not run: is its port free here, what would be advertised, and is
// the certificate that it would show for that.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { errorText } from "../errors.ts";
import type { Node } from "../kube/types.gen.ts";
import { addressText } from "../program/address.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { isOwnAddress } from "../program/node-ip.ts";
import { certificateFinding, type PeerCertificate } from "./doctor-certificate.ts";
import { type Finding, fail, ok, skip, warn } from "./doctor-check.ts";

/** On the machine where the program is to run. `others`: nodes that programs run now. */
export async function futureReach(
  config: Config,
  node: NodeConfig,
  ports: PortCheck,
  others: () => Promise<readonly Node[]> = () => Promise.resolve([]),
): Promise<Finding> {
  const host = node.listenAddress ?? config.kubelet.address;
  const fault = node.port === 0 ? undefined : await ports.fault(host, node.port);
  const at = addressText(host === "" ? "0.0.0.0" : host, node.port);
  const holder = fault === "EADDRINUSE" ? portHolder(config, node, await others()) : undefined;
  if (holder !== undefined)
    return skip(
      `the node does not run; the program that runs node ${holder} listens on ${at}`,
      "if this node is added to that program: start it again, then ask again; else choose another port: --kubelet-port PORT",
    );
  if (fault !== undefined) return portFinding(fault, at, node.port);
  const { internalIP } = node;
  if (internalIP === undefined)
    return fail("this machine has no address to announce", "--node-ip IP, an address that the API server can reach");
  const port = node.port === 0 ? "a port that is free" : `port ${node.port}, which is free here`;
  if (/^127\.|^::1$/.test(internalIP))
    return warn(
      `it would announce ${internalIP}, the loopback: only an API server on this machine finds it, and refuses it for nodes/proxy`,
      "--node-ip IP, an address that the API server can reach",
    );
  return skip(
    `the node does not run; it would announce ${internalIP}${isOwnAddress(internalIP) ? "" : ", which is no address of this machine (right behind NAT alone),"} with ${port}`,
    `start it (--nodename ${node.name}), then ask again: only the API server knows whether it reaches that`,
  );
}

/** Pure. The node whose program has the port now, and will have it for this node, too, or leave it, with this configuration. */
export function portHolder(
  config: Pick<Config, "kubelet" | "nodes">,
  node: NodeConfig,
  others: readonly Node[],
): string | undefined {
  return others.find((other) => {
    const at = advertised(other);
    if (at === undefined || at.port !== node.port || !(at.host === node.internalIP || isOwnAddress(at.host)))
      return false;
    const configured = config.nodes.find(({ name }) => name === other.metadata?.name);
    // One alone may be chosen of several.
    if (config.kubelet.sharedPort) return configured !== undefined || config.nodes.length === 1;
    return configured !== undefined && configured.port !== node.port;
  })?.metadata?.name;
}

/** Where others look for the kubelet API; undefined: the node announces no address or port. */
export function advertised(node: Node | undefined): { readonly host: string; readonly port: number } | undefined {
  const host = node?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  return host === undefined || port === undefined || port === 0 ? undefined : { host, port };
}

/** Pure. `code` is the system's. */
export function portFinding(code: string, at: string, port: number): Finding {
  switch (code) {
    case "EADDRINUSE":
      return fail(
        `the node does not run, and something else listens on ${at}: a kubelet, or another virtual one`,
        `see what: ss -ltnp 'sport = :${port}'; end it, or choose another port: --kubelet-port PORT`,
      );
    case "EADDRNOTAVAIL":
      return fail(
        `${at} is no address of this machine`,
        "--kubelet-address IP of this machine (and --node-ip for the one to announce), or run doctor on the machine of the node",
      );
    case "EACCES":
      return fail(`this user may not listen on ${at}`, "--kubelet-port PORT above 1023");
    default:
      return fail(`${at} cannot be listened on: ${code}`, "--kubelet-address IP, --kubelet-port PORT");
  }
}

/** Tries ports one after the other, and each but once: nodes may share one. */
export class PortCheck {
  readonly #known: Map<string, Promise<string | undefined>> = new Map();
  #holders: Promise<readonly Node[]> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** The system's code where nobody can listen there now. */
  fault(host: string, port: number): Promise<string | undefined> {
    const key = addressText(host, port);
    const known = this.#known.get(key) ?? this.#last.then(() => listenFault(host, port));
    this.#known.set(key, known);
    this.#last = known;
    return known;
  }

  /** Nodes that may have a port that is taken, looked for once. */
  holders(find: () => Promise<readonly Node[]>): Promise<readonly Node[]> {
    this.#holders ??= find();
    return this.#holders;
  }
}

function listenFault(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once("error", (error) => resolve("code" in error ? String(error.code) : errorText(error)));
  server.listen({ port, ...(host === "" ? {} : { host }) }, () => server.close(() => resolve(undefined)));
  return promise;
}

export async function futureCertificate(config: Config, node: NodeConfig, now: number): Promise<Finding> {
  const { certFile, serverTLSBootstrap } = config.kubelet;
  const { internalIP = "" } = node;
  if (certFile !== undefined) {
    try {
      return certificateFinding(factsOf(await readFile(certFile, "utf8")), internalIP, now);
    } catch (error) {
      return fail(
        `${certFile}: ${errorText(error)}`,
        "--tls-cert-file FILE, a certificate in PEM that this user may read",
      );
    }
  }
  if (serverTLSBootstrap) return ok(`one for ${internalIP} is asked of the cluster's signer when the node starts`);
  return ok(
    `one for ${internalIP} is made when the node starts; self-signed: metrics-server needs --kubelet-insecure-tls, or use --server-tls-bootstrap`,
  );
}

function factsOf(pem: string): PeerCertificate {
  const certificate = new X509Certificate(pem);
  const { subjectAltName = "", validTo, issuer, subject, publicKey } = certificate;
  return { subjectaltname: subjectAltName, validTo, selfSigned: issuer === subject && certificate.verify(publicKey) };
}
