// Certificate requests: those of nodes for their client certificates are approved, and all approved ones are signed.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { type Authority, requestedSubject } from "../certificates.ts";
import { conditionOf, isTrue } from "../conditions.ts";
import { type JsonObject, list, number, text, texts } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";

const yearMs = 365 * 24 * 3_600_000;
const usages: Readonly<Record<string, readonly ("client" | "server")[]>> = {
  "kubernetes.io/kube-apiserver-client": ["client"],
  "kubernetes.io/kube-apiserver-client-kubelet": ["client"],
  "kubernetes.io/kubelet-serving": ["server"],
};

export function certificateRequests(api: Api, authority: Authority): Controller {
  return controllerFor(api, {
    name: "certificate-requests",
    resource: "certificatesigningrequests.certificates.k8s.io",
    async sync(request, client) {
      if (text(request, "status", "certificate") !== "") return undefined;
      if (list(request, "status", "conditions").length === 0 && isOfNode(request)) approve(client, request);
      const wanted = usages[text(request, "spec", "signerName")];
      const isDenied = conditionOf(request, "Denied") !== undefined;
      if (!isTrue(request, "Approved") || isDenied || wanted === undefined) return undefined;
      const asked = number(request, "spec", "expirationSeconds");
      const pem = Buffer.from(text(request, "spec", "request"), "base64").toString();
      const validMs = asked === undefined ? yearMs : Math.min(yearMs, asked * 1000);
      try {
        requireSubject(request, pem);
        const certificate = Buffer.from(await authority.sign(pem, wanted, validMs, api.now())).toString("base64");
        client.writeStatus(request, { certificate });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        const reason = "SignerValidationFailure";
        client.writeStatus(request, {}, [{ type: "Failed", status: "True", reason, message }]);
      }
      return undefined;
    },
  });
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

function approve(client: Client, request: JsonObject): void {
  const message = "Approved: a node asks for itself.";
  const lastUpdateTime = timestamp(client.now());
  const approved = { type: "Approved", status: "True", reason: "AutoApproved", message, lastUpdateTime };
  client.writeStatus(request, {}, [approved], "approval");
}
