// The client certificates of connections, checked against the client CAs as they are now and not only as they were.
import type { X509Certificate } from "node:crypto";
import type { Logger } from "../log.ts";
import type { Renewed } from "./certificate-source.ts";
import { handshakeCertificate, leadsTo, parseBundle } from "./client-certificate.ts";
import type { RequestPeer } from "./request-peer.ts";

interface Checked {
  readonly bundle: string;
  readonly certificate: X509Certificate | undefined;
}

export class VerifiedCallers {
  readonly #clientCA: Renewed<string> | undefined;
  readonly #log: Logger;
  readonly #checked = new WeakMap<object, Checked>();
  #bundle = "";
  #authorities: readonly X509Certificate[] = [];

  constructor(clientCA: Renewed<string> | undefined, log: Logger) {
    this.#clientCA = clientCA;
    this.#log = log;
  }

  /** DER of the peer's certificate while it is good; else undefined. */
  certificateOf(peer: RequestPeer): Uint8Array | undefined {
    if (this.#clientCA === undefined) return undefined;
    const bundle = this.#currentBundle(this.#clientCA);
    let checked = this.#checked.get(peer.connection);
    if (checked?.bundle !== bundle) {
      const shown = handshakeCertificate(peer.socket);
      const good = shown !== undefined && leadsTo(shown, this.#authorities, Date.now());
      checked = { bundle, certificate: good ? shown : undefined };
      this.#checked.set(peer.connection, checked);
    }
    const { certificate } = checked;
    return certificate !== undefined && Date.now() <= certificate.validToDate.getTime() ? certificate.raw : undefined;
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
      this.#log.error({ err: error }, "no client certificate is good until the client CA can be read");
      this.#authorities = [];
    }
    this.#bundle = bundle;
    return bundle;
  }
}
