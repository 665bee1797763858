// Documents that are asked and answered at once: token and access reviews, who one is.
import type { Answer, User } from "./access.ts";
import { timestamp } from "./access.ts";
import type { Attributes, Authorizer } from "./authorization.ts";
import { documentOf, type ResourceCall } from "./call.ts";
import { isObject, type Json, type JsonObject, list, object, text, texts } from "./json.ts";
import type { Tokens } from "./tokens.ts";

export interface ReviewContext {
  readonly authorizer: Authorizer;
  readonly tokens: Tokens;
  readonly now: () => number;
}

/** undefined where the resource is none of these. */
export async function review(context: ReviewContext, call: ResourceCall): Promise<Answer | undefined> {
  const { resource, user } = call;
  const answer = answers[resource.name];
  if (answer === undefined || resource.verbs.length !== 1) return undefined;
  const document = object(await documentOf(call));
  const metadata = { creationTimestamp: timestamp(context.now()) };
  const status = answer(context, document, user, call.route.namespace);
  const spec = document["spec"] === undefined ? {} : { spec: document["spec"] };
  return { code: 201, body: { kind: resource.kind, apiVersion: resource.apiVersion, metadata, ...spec, status } };
}

type Review = (context: ReviewContext, document: JsonObject, user: User, namespace: string) => JsonObject;

const answers: Readonly<Record<string, Review>> = {
  tokenreviews: ({ tokens }, document) => {
    const audiences = texts(document, "spec", "audiences");
    const found = tokens.review(text(document, "spec", "token"), audiences.length > 0 ? audiences : undefined);
    if (found === undefined) return { authenticated: false, error: "invalid bearer token", user: {} };
    return { authenticated: true, user: infoOf(found.user), audiences: found.audiences };
  },
  subjectaccessreviews: ({ authorizer }, document) => decide(authorizer, document, subjectOf(document)),
  localsubjectaccessreviews: ({ authorizer }, document, _, namespace) =>
    decide(authorizer, document, subjectOf(document), namespace),
  selfsubjectaccessreviews: ({ authorizer }, document, user) => decide(authorizer, document, user),
  selfsubjectreviews: (_, __, user) => ({ userInfo: infoOf(user) }),
  selfsubjectrulesreviews: ({ authorizer }, document, user) => {
    const rules = authorizer.rulesOf(user, text(document, "spec", "namespace"));
    const everything = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
    const isMaster = user.groups.includes("system:masters");
    const forPaths = (rule: Json): boolean => list(rule, "nonResourceURLs").length > 0;
    return {
      resourceRules: [...(isMaster ? [everything] : []), ...rules.filter((rule) => !forPaths(rule))],
      nonResourceRules: [...(isMaster ? [{ verbs: ["*"], nonResourceURLs: ["*"] }] : []), ...rules.filter(forPaths)],
      incomplete: false,
    };
  },
};

function subjectOf(document: JsonObject): User {
  return { name: text(document, "spec", "user"), groups: texts(document, "spec", "groups") };
}

function decide(authorizer: Authorizer, document: JsonObject, user: User, namespace?: string): JsonObject {
  const attributes = attributesOf(object(document, "spec"), namespace);
  const reason = authorizer.reason(user, attributes);
  return { allowed: reason !== undefined, ...(reason ? { reason } : {}) };
}

function attributesOf(spec: JsonObject, namespace: string | undefined): Attributes {
  const resource = spec["resourceAttributes"];
  if (!isObject(resource)) {
    const verb = text(spec, "nonResourceAttributes", "verb");
    const path = text(spec, "nonResourceAttributes", "path");
    return { verb, path, group: "", resource: "", namespace: "", name: "" };
  }
  const subresource = text(resource, "subresource");
  return {
    verb: text(resource, "verb"),
    group: text(resource, "group"),
    resource: `${text(resource, "resource")}${subresource === "" ? "" : `/${subresource}`}`,
    namespace: namespace ?? text(resource, "namespace"),
    name: text(resource, "name"),
    path: "",
  };
}

function infoOf(user: User): JsonObject {
  return {
    username: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}
