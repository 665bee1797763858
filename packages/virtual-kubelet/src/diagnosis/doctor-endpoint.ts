// What `doctor` can say of the kubelet API of a node that does not run: is its port free here, what would be advertised, and is
// the certificate that it would show for that.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { errorText } from "../errors.ts";
import { addressText } from "../program/address.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { isOwnAddress } from "../program/node-ip.ts";
import { certificateFinding, type PeerCertificate } from "./doctor-certificate.ts";
import { type Finding, fail, ok, skip, warn } from "./doctor-check.ts";

/** On the machine where the program is to run. */
export async function futureReach(config: Config, node: NodeConfig, ports: PortCheck): Promise<Finding> {
  const host = node.listenAddress ?? config.kubelet.address;
  const fault = node.port === 0 ? undefined : await ports.fault(host, node.port);
  const at = addressText(host === "" ? "0.0.0.0" : host, node.port);
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
  #last: Promise<unknown> = Promise.resolve();

  /** The system's code where nobody can listen there now. */
  fault(host: string, port: number): Promise<string | undefined> {
    const key = addressText(host, port);
    const known = this.#known.get(key) ?? this.#last.then(() => listenFault(host, port));
    this.#known.set(key, known);
    this.#last = known;
    return known;
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
