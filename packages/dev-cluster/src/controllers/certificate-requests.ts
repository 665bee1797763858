// Certificate requests: those of nodes for their client certificates are approved, and all approved ones are signed.

import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { type Authority, requestedSubject } from "../certificates.ts";
import { conditionOf, isTrue } from "../conditions.ts";
import { type JsonObject, list, number, put, text, texts } from "../json.ts";
import type { Controller } from "./controller.ts";
import { change, nameOf, writeCondition, writeStatus } from "./objects.ts";

const key = "certificatesigningrequests.certificates.k8s.io";
const yearMs = 365 * 24 * 3_600_000;
const usages: Readonly<Record<string, readonly ("client" | "server")[]>> = {
  "kubernetes.io/kube-apiserver-client": ["client"],
  "kubernetes.io/kube-apiserver-client-kubelet": ["client"],
  "kubernetes.io/kubelet-serving": ["server"],
};

export function certificateRequests(api: Api, authority: Authority): Controller {
  return {
    name: "certificate-requests",
    hears: { [key]: (each) => [nameOf(each)] },
    async sync(name) {
      const request = api.store.get(key, "", name);
      if (request === undefined || text(request, "status", "certificate") !== "") return undefined;
      if (list(request, "status", "conditions").length === 0 && isOfNode(request)) {
        approve(api, request);
        return undefined;
      }
      const isApproved = isTrue(request, "Approved");
      const wanted = usages[text(request, "spec", "signerName")];
      if (!isApproved || wanted === undefined || conditionOf(request, "Denied") !== undefined) return undefined;
      const asked = number(request, "spec", "expirationSeconds");
      const pem = Buffer.from(text(request, "spec", "request"), "base64").toString();
      const validMs = asked === undefined ? yearMs : Math.min(yearMs, asked * 1000);
      try {
        requireSubject(request, pem);
        const certificate = Buffer.from(await authority.sign(pem, wanted, validMs, api.now())).toString("base64");
        writeStatus(api, key, request, { certificate });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        writeCondition(api, key, request, {
          type: "Failed",
          status: "True",
          reason: "SignerValidationFailure",
          message,
        });
      }
      return undefined;
    },
  };
}

/** Serving certificates are left to an approver, as in a real cluster. */
function isOfNode(request: JsonObject): boolean {
  const groups = texts(request, "spec", "groups");
  const isNode = groups.includes("system:nodes") || groups.includes("system:bootstrappers");
  return isNode && text(request, "spec", "signerName") === "kubernetes.io/kube-apiserver-client-kubelet";
}

/**
 * Throws for subjects that a signer does not serve: those of kubelets sign for nodes alone, and a node asks for itself; nobody
 * becomes an administrator by a certificate.
 */
function requireSubject(request: JsonObject, pem: string): void {
  const { names, groups } = requestedSubject(pem);
  const [name = ""] = names;
  const signer = text(request, "spec", "signerName");
  if (signer === "kubernetes.io/kube-apiserver-client") {
    if (groups.includes("system:masters")) throw new Error("the subject's organization is not to be system:masters");
    return;
  }
  if (names.length !== 1 || groups.length !== 1 || groups[0] !== "system:nodes" || !name.startsWith("system:node:"))
    throw new Error("the subject is to be O=system:nodes, CN=system:node:<name>");
  const asker = text(request, "spec", "username");
  if (signer !== "kubernetes.io/kubelet-serving" && asker.startsWith("system:node:") && asker !== name)
    throw new Error(`the subject is to be CN=${asker}, who asks`);
}

function approve(api: Api, request: JsonObject): void {
  const condition = {
    type: "Approved",
    status: "True",
    reason: "AutoApproved",
    message: "Approved: a node asks for itself.",
  };
  const now = timestamp(api.now());
  const conditions = [{ ...condition, lastUpdateTime: now, lastTransitionTime: now }];
  change(api, key, request, (now) => put(now, ["status", "conditions"], conditions), "approval");
}
