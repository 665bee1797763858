// Documents that are asked and answered at once: token and access reviews, who one is.
import { type Answer, timestamp, type User, userInfo } from "./access.ts";
import { type Attributes, type Authorizer, attributes } from "./authorization.ts";
import { documentOf, type ResourceCall } from "./call.ts";
import { type Json, type JsonObject, list, object, text, texts } from "./json.ts";
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
  const { spec } = object(await documentOf(call));
  const metadata = { creationTimestamp: timestamp(context.now()) };
  const status = answer(context, object(spec), user, call.route.namespace);
  return { code: 201, body: { kind: resource.kind, apiVersion: resource.apiVersion, metadata, spec, status } };
}

type Review = (context: ReviewContext, spec: JsonObject, user: User, namespace: string) => JsonObject;

const answers: Readonly<Record<string, Review>> = {
  tokenreviews: ({ tokens }, spec) => {
    const audiences = texts(spec, "audiences");
    const found = tokens.review(text(spec, "token"), audiences.length > 0 ? audiences : undefined);
    if (found === undefined) return { authenticated: false, error: "invalid bearer token", user: {} };
    return { authenticated: true, user: { ...userInfo(found.user) }, audiences: found.audiences };
  },
  subjectaccessreviews: (context, spec) => decide(context, subjectOf(spec), attributesOf(spec)),
  localsubjectaccessreviews: (context, spec, _, namespace) =>
    decide(context, subjectOf(spec), { ...attributesOf(spec), namespace }),
  selfsubjectaccessreviews: (context, spec, user) => decide(context, user, attributesOf(spec)),
  selfsubjectreviews: (_, __, user) => ({ userInfo: { ...userInfo(user) } }),
  selfsubjectrulesreviews: ({ authorizer }, spec, user) => {
    const rules = authorizer.rulesOf(user, text(spec, "namespace"));
    const forPaths = (rule: Json): boolean => list(rule, "nonResourceURLs").length > 0;
    return {
      resourceRules: rules.filter((rule) => !forPaths(rule)),
      nonResourceRules: rules.filter(forPaths),
      incomplete: false,
    };
  },
};

function subjectOf(spec: JsonObject): User {
  return { name: text(spec, "user"), groups: texts(spec, "groups") };
}

function decide({ authorizer }: ReviewContext, user: User, asked: Attributes): JsonObject {
  const reason = authorizer.reason(user, asked);
  return { allowed: reason !== undefined, reason: reason || undefined };
}

function attributesOf(spec: JsonObject): Attributes {
  const asked = object(spec, spec["resourceAttributes"] === undefined ? "nonResourceAttributes" : "resourceAttributes");
  return attributes(Object.fromEntries(Object.keys(asked).map((key) => [key, text(asked, key)])));
}
