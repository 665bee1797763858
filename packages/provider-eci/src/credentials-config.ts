// Where keys come from, as configured. Secrets are named by files and variables, never written here.
import * as v from "valibot";

export type CredentialsConfig =
  /**
   * ECI_ACCESS_KEY and ECI_SECRET_KEY, else the vendor's order: ALIBABA_CLOUD_ACCESS_KEY_ID (with _SECRET, _SECURITY_TOKEN), the role of a
   * ServiceAccount (ALIBABA_CLOUD_ROLE_ARN, _OIDC_PROVIDER_ARN, _OIDC_TOKEN_FILE), profiles, the role of the machine, ALIBABA_CLOUD_CREDENTIALS_URI.
   */
  | { readonly type: "default" }
  /** Default of the ID: ALIBABA_CLOUD_ACCESS_KEY_ID. */
  | { readonly type: "accessKey"; readonly accessKeyID?: string | undefined; readonly secretFile: string }
  /** Keys for a while, in files that somebody renews: read again when they are refused. */
  | {
      readonly type: "sts";
      readonly accessKeyIDFile: string;
      readonly secretFile: string;
      readonly tokenFile: string;
    }
  /** The role of an ECS or ECI instance. Default: the one that it has. */
  | { readonly type: "instance"; readonly roleName?: string | undefined }
  /** A token in a file for a role (RRSA). Default: the ALIBABA_CLOUD_ variables. */
  | {
      readonly type: "oidc";
      readonly roleARN?: string | undefined;
      readonly providerARN?: string | undefined;
      readonly tokenFile?: string | undefined;
      readonly sessionName?: string | undefined;
      /** Host. Default: the region's. */
      readonly stsEndpoint?: string | undefined;
    }
  /** A role, by the keys of the vendor's order. */
  | {
      readonly type: "assumeRole";
      readonly roleARN: string;
      readonly externalID?: string | undefined;
      readonly sessionName?: string | undefined;
      /** Host. Default: the region's. */
      readonly stsEndpoint?: string | undefined;
    }
  /** Of the vendor's command line. */
  | { readonly type: "profile"; readonly profile: string };

const text = v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"));
const role = v.pipe(
  v.string("is required"),
  v.regex(/^acs:ram::\d+:role\/.+/, "must be the ARN of a role, like acs:ram::1234567890123456:role/name"),
);
const host = v.pipe(v.string("must be text"), v.regex(/^[\w.-]+(:\d+)?$/, "must be a host"));

export const credentials: v.GenericSchema<unknown, CredentialsConfig> = v.variant(
  "type",
  [
    v.strictObject({ type: v.literal("default") }),
    v.strictObject({ type: v.literal("accessKey"), accessKeyID: v.optional(text), secretFile: text }),
    v.strictObject({ type: v.literal("sts"), accessKeyIDFile: text, secretFile: text, tokenFile: text }),
    v.strictObject({ type: v.literal("instance"), roleName: v.optional(text) }),
    v.strictObject({
      ...{ type: v.literal("oidc"), roleARN: v.optional(role), providerARN: v.optional(text) },
      ...{ tokenFile: v.optional(text), sessionName: v.optional(text), stsEndpoint: v.optional(host) },
    }),
    v.strictObject({
      ...{ type: v.literal("assumeRole"), roleARN: role, externalID: v.optional(text) },
      ...{ sessionName: v.optional(text), stsEndpoint: v.optional(host) },
    }),
    v.strictObject({ type: v.literal("profile"), profile: text }),
  ],
  "must be one of default, accessKey, sts, instance, oidc, assumeRole, profile",
);
