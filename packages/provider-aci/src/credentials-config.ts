// Where tokens come from, as configured. Secrets are named by files and variables, never written here.
import * as v from "valibot";

export type CredentialsConfig =
  /** What variables and files say (AZURE_AUTH_LOCATION, AKS_CREDENTIAL_LOCATION, AZURE_CLIENT_ID ...), else what the machine has. */
  | { readonly type: "default" }
  | {
      readonly type: "clientSecret";
      readonly tenantID: string;
      readonly clientID: string;
      readonly clientSecretFile: string;
    }
  | {
      readonly type: "clientCertificate";
      readonly tenantID: string;
      readonly clientID: string;
      /** Certificate and private key in PEM. */
      readonly certificateFile: string;
    }
  /** Without an ID: the one that the machine has. */
  | { readonly type: "managedIdentity"; readonly clientID: string; readonly resourceID: string }
  /** Default: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE. */
  | {
      readonly type: "workloadIdentity";
      readonly tenantID: string;
      readonly clientID: string;
      readonly tokenFile: string;
    }
  /** azure.json of a node of AKS. */
  | { readonly type: "aksFile"; readonly file: string }
  /** JSON with clientId, clientSecret, tenantId, subscriptionId. */
  | { readonly type: "authFile"; readonly file: string }
  /** Who is logged in with `az login`. */
  | { readonly type: "commandLine" };

const text = v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"));
const optional = v.optional(v.string("must be text"), "");

export const credentials: v.GenericSchema<unknown, CredentialsConfig> = v.variant(
  "type",
  [
    v.strictObject({ type: v.literal("default") }),
    v.strictObject({ type: v.literal("clientSecret"), tenantID: text, clientID: text, clientSecretFile: text }),
    v.strictObject({ type: v.literal("clientCertificate"), tenantID: text, clientID: text, certificateFile: text }),
    v.strictObject({ type: v.literal("managedIdentity"), clientID: optional, resourceID: optional }),
    v.strictObject({
      type: v.literal("workloadIdentity"),
      tenantID: optional,
      clientID: optional,
      tokenFile: optional,
    }),
    v.strictObject({ type: v.literal("aksFile"), file: text }),
    v.strictObject({ type: v.literal("authFile"), file: text }),
    v.strictObject({ type: v.literal("commandLine") }),
  ],
  "must be one of default, clientSecret, clientCertificate, managedIdentity, workloadIdentity, aksFile, authFile, commandLine",
);
