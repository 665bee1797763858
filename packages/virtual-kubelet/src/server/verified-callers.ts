// The client certificates of connections, checked against the client CAs as they are now and not only as they were.
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Logger } from "../log.ts";
import type { Renewed } from "./certificate-source.ts";
import { leadsTo, parseBundle } from "./client-certificate.ts";
import type { RequestPeer } from "./request-peer.ts";

/** The certificate of a connection, while it is good: DER; or that one was shown which is not. */
export type CallerCertificate = { readonly verified: Uint8Array } | "bad" | undefined;

interface Checked {
  readonly bundle: string;
  /** Undefined: none was shown, or there are no CAs to judge one by. */
  readonly certificate: X509Certificate | "bad" | undefined;
}

export interface VerifiedCallersOptions {
  readonly clientCA: Renewed<string> | undefined;
  /** The bundle by which the handshake was judged, if that is known. */
  readonly handshakeBundle: (socket: TLSSocket) => string | undefined;
  readonly log: Logger;
}

export class VerifiedCallers {
  readonly #options: VerifiedCallersOptions;
  readonly #checked = new WeakMap<object, Checked>();
  #bundle = "";
  #authorities: readonly X509Certificate[] = [];

  constructor(options: VerifiedCallersOptions) {
    this.#options = options;
  }

  /** The peer's certificate as it is to be judged now. */
  certificateOf(peer: RequestPeer): CallerCertificate {
    const { clientCA } = this.#options;
    if (clientCA === undefined) return undefined;
    const bundle = this.#currentBundle(clientCA);
    let checked = this.#checked.get(peer.connection);
    if (checked?.bundle !== bundle) {
      checked = { bundle, certificate: bundle === "" ? undefined : this.#check(peer.socket, bundle) };
      this.#checked.set(peer.connection, checked);
    }
    const { certificate } = checked;
    if (certificate === undefined || certificate === "bad") return certificate;
    return Date.now() <= certificate.validToDate.getTime() ? { verified: certificate.raw } : "bad";
  }

  #check(socket: TLSSocket, bundle: string): X509Certificate | "bad" | undefined {
    const shown = socket.getPeerX509Certificate();
    if (shown === undefined) return undefined;
    // Purposes and constraints are judged by the handshake alone.
    if (!socket.authorized) return "bad";
    const asItWas = this.#options.handshakeBundle(socket) === bundle;
    return asItWas || leadsTo(shown, this.#authorities, Date.now()) ? shown : "bad";
  }

  /** "" while there is none. */
  #currentBundle(source: Renewed<string>): string {
    let bundle = "";
    try {
      bundle = source.current();
    } catch {
      // The endpoint has said so at the change.
    }
    if (bundle === this.#bundle) return bundle;
    try {
      this.#authorities = bundle === "" ? [] : parseBundle(bundle);
    } catch (error) {
      this.#options.log.error({ err: error }, "no client certificate is good until the client CA can be read");
      this.#authorities = [];
    }
    this.#bundle = bundle;
    return bundle;
  }
}
