// Where credentials come from, as configured. Secrets are named by files and variables, never written here.
import * as v from "valibot";

export type CredentialsConfig =
  /** The SDK's own order: variables, SSO, shared files, web identity (a ServiceAccount's role), container, instance. */
  | { readonly type: "default" }
  /** A profile of the shared files; processes, SSO and roles by what it says. */
  | { readonly type: "profile"; readonly profile: string }
  /** A token in a file (of a ServiceAccount, of any OpenID issuer) for a role. Default: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN. */
  | {
      readonly type: "webIdentity";
      readonly roleARN?: string | undefined;
      readonly tokenFile?: string | undefined;
      readonly sessionName?: string | undefined;
    }
  /** A role, by the credentials of the SDK's own order. */
  | {
      readonly type: "assumeRole";
      readonly roleARN: string;
      readonly externalID?: string | undefined;
      readonly sessionName?: string | undefined;
    }
  /** AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
  | { readonly type: "environment" }
  /** What a task of ECS or a pod of EKS (Pod Identity) is given. */
  | { readonly type: "container" }
  /** The role of an EC2 instance. */
  | { readonly type: "instance" }
  /** SSO of a profile. */
  | { readonly type: "sso"; readonly profile?: string | undefined }
  /** `credential_process` of a profile. */
  | { readonly type: "process"; readonly profile?: string | undefined };

const role = v.pipe(
  v.string("is required"),
  v.regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+/, "must be the ARN of a role"),
);
const text = v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"));

export const credentials: v.GenericSchema<unknown, CredentialsConfig> = v.variant(
  "type",
  [
    v.strictObject({ type: v.literal("default") }),
    v.strictObject({ type: v.literal("profile"), profile: text }),
    v.strictObject({
      type: v.literal("webIdentity"),
      roleARN: v.optional(role),
      tokenFile: v.optional(text),
      sessionName: v.optional(text),
    }),
    v.strictObject({
      type: v.literal("assumeRole"),
      roleARN: role,
      externalID: v.optional(text),
      sessionName: v.optional(text),
    }),
    v.strictObject({ type: v.literal("environment") }),
    v.strictObject({ type: v.literal("container") }),
    v.strictObject({ type: v.literal("instance") }),
    v.strictObject({ type: v.literal("sso"), profile: v.optional(text) }),
    v.strictObject({ type: v.literal("process"), profile: v.optional(text) }),
  ],
  "must be one of default, profile, webIdentity, assumeRole, environment, container, instance, sso, process",
);
