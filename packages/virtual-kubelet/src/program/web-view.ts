// The web view as the configuration has it: on the port of the metrics, with the access rules and the certificate of the kubelet API.
import type { Server as HttpServer } from "node:http";
import { TLSSocket } from "node:tls";
import type { KubeClient } from "../kube/client.ts";
import type { KubeletApiOptions } from "../kubelet-api.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { createAuthenticator } from "../server/authentication.ts";
import { createAuthorizer } from "../server/authorization.ts";
import { defaultKubeletServerLimits } from "../server/kubelet-server-options.ts";
import { type AnyRequest, type AnyResponse, peerOf } from "../server/request-peer.ts";
import { SecureEndpoint } from "../server/secure-endpoint.ts";
import { type CallerCertificate, VerifiedCallers } from "../server/verified-callers.ts";
import { plainOrTls } from "../view/plain-or-tls.ts";
import { insecureEverybodySees, reviewedAccess, type ViewAccess } from "../view/view-access.ts";
import { WebView } from "../view/web-view.ts";
import type { VirtualKubelet } from "../virtual-kubelet.ts";
import { isLoopback, parseAddress } from "./address.ts";
import type { Config } from "./config.ts";
import type { ServedView } from "./metrics-server.ts";

export interface ProgramWebViewOptions {
  readonly config: Config;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
}

export interface ShownProcess {
  readonly kubelet: VirtualKubelet;
  readonly client: KubeClient;
  /** How the kubelet API is served; undefined: it is not. */
  readonly kubeletApi: KubeletApiOptions | undefined;
}

export class ProgramWebView implements ServedView {
  readonly #options: ProgramWebViewOptions;
  readonly #view: WebView;
  #everything: ((request: AnyRequest, response: AnyResponse) => void) | undefined;
  #endpoint: SecureEndpoint | undefined;
  #callers: VerifiedCallers | undefined;

  constructor(options: ProgramWebViewOptions) {
    this.#options = options;
    const { metrics, log, version, config } = options;
    if (config.webView.insecureWithoutAuthentication)
      log.warn({}, "insecure: whoever reaches the address of the web view sees it");
    const loopback = isLoopback(parseAddress(config.metricsAddr)?.host ?? "");
    this.#view = new WebView({ metrics, log, version, loopback });
  }

  /** For the assembly. */
  get observer(): WebView["activity"] {
    return this.#view.activity;
  }

  /** From now on there is something to see, and a certificate. */
  show({ kubelet, client, kubeletApi }: ShownProcess): void {
    if (kubeletApi !== undefined) this.#secure(kubeletApi);
    this.#view.show(kubelet.inside, this.#access(client, kubeletApi));
  }

  isFor(target: string): boolean {
    return this.#view.isFor(target);
  }

  async answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const peer = peerOf(request);
    const certificate: CallerCertificate = peer === undefined ? undefined : this.#callers?.certificateOf(peer);
    await this.#view.answer(request, response, { secure: peer?.socket instanceof TLSSocket, certificate });
  }

  listener(
    plain: HttpServer,
    everything: (request: AnyRequest, response: AnyResponse) => void,
  ): ReturnType<ServedView["listener"]> {
    this.#everything = everything;
    const secure = () => {
      const endpoint = this.#endpoint;
      return endpoint?.take.bind(endpoint);
    };
    const { server, open } = plainOrTls({ plain, secure });
    const end = (): void => {
      this.#endpoint?.stop();
      for (const socket of open) socket.destroy();
    };
    return { server, end };
  }

  #access(client: KubeClient, kubeletApi: KubeletApiOptions | undefined): ViewAccess {
    const { config, metrics } = this.#options;
    if (config.webView.insecureWithoutAuthentication) return insecureEverybodySees;
    const authenticator = kubeletApi?.authenticator ?? createAuthenticator({ client, metrics });
    const authorizer = kubeletApi?.authorizer ?? createAuthorizer({ client, metrics });
    return reviewedAccess(authenticator, authorizer);
  }

  #secure({ certificate, clientCA }: KubeletApiOptions): void {
    const { config } = this.#options;
    const log = this.#options.log.child({ server: "web view" });
    const node = config.nodes[0]?.name ?? "";
    const endpoint = new SecureEndpoint({
      certificate: typeof certificate === "function" ? certificate(node) : certificate,
      certificatesByName: new Map(),
      clientCA,
      limits: defaultKubeletServerLimits,
      log,
      connected: () => undefined,
      refused: () => undefined,
      request: (request, response) => this.#everything?.(request, response),
      upgrade: (_, socket) => socket.destroy(),
      isUpgrade: () => false,
    });
    this.#endpoint = endpoint;
    this.#callers = new VerifiedCallers({
      clientCA,
      handshakeBundle: (socket) => endpoint.handshakeBundle(socket),
      log,
    });
  }
}
