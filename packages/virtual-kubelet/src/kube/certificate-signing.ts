// One CertificateSigningRequest: how it stands, and the wait until somebody has decided on it and it was signed.
import { type Clock, pause } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { KubeClient } from "./client.ts";
import { Informer } from "./informer.ts";
import { certificateSigningRequests } from "./resource.ts";
import type { CertificateSigningRequest } from "./types.gen.ts";

/** What kind of certificate is asked for. */
export interface SigningProfile {
  readonly signerName: string;
  readonly usages: readonly string[];
  /** Who approves such requests: a sentence without its full stop, for the log. */
  readonly approver: string;
  /** Nobody approves it by itself: said at once, not only when it takes long. */
  readonly byHand: boolean;
}

export const nodeClientProfile: SigningProfile = {
  signerName: "kubernetes.io/kube-apiserver-client-kubelet",
  usages: ["digital signature", "client auth"],
  approver: "kube-controller-manager approves it where deploy/bootstrap-rbac.yaml was applied, else an administrator",
  byHand: false,
};

export const servingProfile: SigningProfile = {
  signerName: "kubernetes.io/kubelet-serving",
  usages: ["digital signature", "server auth"],
  approver: "nothing in Kubernetes itself approves it: an administrator or an approver that was installed must",
  byHand: true,
};

export type SigningState =
  | { readonly state: "pending" | "approved" }
  | { readonly state: "issued"; readonly certificate: string }
  | { readonly state: "denied" | "failed"; readonly message: string };

export function signingState({ status }: CertificateSigningRequest): SigningState {
  const conditionOf = (wanted: string) =>
    status?.conditions?.find((condition) => condition.type === wanted && condition.status !== "False");
  for (const [type, state] of [
    ["Denied", "denied"],
    ["Failed", "failed"],
  ] as const) {
    const condition = conditionOf(type);
    if (condition !== undefined)
      return { state, message: [condition.reason, condition.message].filter((text) => text).join(": ") };
  }
  if (status?.certificate !== undefined && status.certificate !== "")
    return { state: "issued", certificate: Buffer.from(status.certificate, "base64").toString("utf8") };
  return { state: conditionOf("Approved") === undefined ? "pending" : "approved" };
}

/** When to say again that a request waits, in milliseconds after the last time. */
function reminderMs(said: number): number {
  return [30_000, 300_000, 900_000][said] ?? 1_800_000;
}

export interface AwaitOptions {
  readonly client: KubeClient;
  /** Of the CertificateSigningRequest. */
  readonly name: string;
  readonly profile: SigningProfile;
  /** Milliseconds to wait for a decision and the certificate. */
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * The certificate in PEM. Throws Forbidden (reason Denied), Unavailable (reason Failed or TimedOut), NotFound when the
 * request was deleted, Aborted.
 */
export async function awaitCertificate(options: AwaitOptions, signal: AbortSignal): Promise<string> {
  const { client, name, profile, clock, random, log } = options;
  const answer = Promise.withResolvers<string>();
  const end = new AbortController();
  const stop = AbortSignal.any([signal, end.signal]);
  let state: SigningState["state"] = "pending";
  const see = (found: SigningState): void => {
    if (found.state === "issued") answer.resolve(found.certificate);
    else if (found.state === "denied")
      answer.reject(new VirtualKubeletError("Forbidden", `${name} was denied: ${found.message}`, { reason: "Denied" }));
    else if (found.state === "failed")
      answer.reject(new VirtualKubeletError("Unavailable", `${name} failed: ${found.message}`, { reason: "Failed" }));
    else if (found.state === "approved" && state !== "approved")
      log.info(
        { csr: name, signer: profile.signerName },
        "certificate signing request approved, waiting for the signer",
      );
    state = found.state;
  };
  const gone = (): void => answer.reject(new VirtualKubeletError("NotFound", `${name} was deleted`));
  const informer = new Informer({
    client,
    resource: certificateSigningRequests,
    fieldSelector: `metadata.name=${name}`,
    onChange: (change) => (change.type === "deleted" ? gone() : see(signingState(change.object))),
    log,
    clock,
    random,
  });
  const tell = async (): Promise<void> => {
    for (let said = 0; ; said++) {
      if (said > 0 || profile.byHand) say(options, state, said > 0);
      await pause(clock, reminderMs(said), stop);
      if (stop.aborted) return;
    }
  };
  const limit = async (): Promise<void> => {
    await pause(clock, options.timeoutMs, stop);
    const reason = signal.aborted ? undefined : "TimedOut";
    answer.reject(
      reason === undefined
        ? new VirtualKubeletError("Aborted", `waiting for ${name} was ended`)
        : new VirtualKubeletError("Unavailable", `${name} had no answer for ${options.timeoutMs / 1000} s`, { reason }),
    );
  };
  void informer.synced.then(() => {
    if (informer.size === 0) gone();
  });
  const work = Promise.all([informer.run(stop), tell(), limit()]);
  try {
    return await Promise.race([answer.promise, work.then(() => answer.promise)]);
  } finally {
    end.abort();
    await work;
  }
}

function say({ name, profile, log }: AwaitOptions, state: SigningState["state"], again: boolean): void {
  const fields = { csr: name, signer: profile.signerName };
  const text =
    state === "approved"
      ? `certificate signing request ${name} is approved, but nobody has signed it: does the signer ${profile.signerName} run?`
      : `certificate signing request ${name} waits for approval: ${profile.approver}: kubectl certificate approve ${name}`;
  if (again) log.warn(fields, text);
  else log.info(fields, text);
}
