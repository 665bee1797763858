// HTTP/2 until the server says in a TLS handshake that it does not speak it; HTTP/1.1 from then on.
import { type HttpRequest, type HttpResponse, type HttpStream, NoHttp2Error, type Transport } from "./transport.ts";

export class FallbackTransport implements Transport {
  readonly #first: Transport;
  readonly #other: () => Transport;
  readonly #onFallback: (error: NoHttp2Error) => void;
  #fallback: Transport | undefined;

  constructor(first: Transport, other: () => Transport, onFallback: (error: NoHttp2Error) => void) {
    this.#first = first;
    this.#other = other;
    this.#onFallback = onFallback;
  }

  request(request: HttpRequest): Promise<HttpResponse> {
    return this.#on((transport) => transport.request(request));
  }

  stream(request: HttpRequest): Promise<HttpStream> {
    return this.#on((transport) => transport.stream(request));
  }

  async close(): Promise<void> {
    await Promise.all([this.#first.close(), this.#fallback?.close()]);
  }

  async #on<A>(send: (transport: Transport) => Promise<A>): Promise<A> {
    if (this.#fallback !== undefined) return send(this.#fallback);
    try {
      return await send(this.#first);
    } catch (error) {
      if (!(error instanceof NoHttp2Error)) throw error;
      if (this.#fallback === undefined) {
        this.#fallback = this.#other();
        this.#onFallback(error);
      }
      return send(this.#fallback);
    }
  }
}
