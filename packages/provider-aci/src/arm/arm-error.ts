// What an answer of Azure Resource Manager that is no success means, in our kinds. Pure.
import { type ErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type HttpAnswer, jsonOf, withoutSecrets } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";

const detail = v.object({
  code: v.optional(v.nullable(v.string())),
  message: v.optional(v.nullable(v.string())),
  target: v.optional(v.nullable(v.string())),
});
const body = v.object({
  error: v.object({ ...detail.entries, details: v.optional(v.nullable(v.array(detail))) }),
});

const longestMessage = 2000;

/** `what`: the call, for the message. `secrets` of the request are blotted out of what the cloud says of it. */
export function armError(
  answer: HttpAnswer,
  what: string,
  now: number,
  secrets: readonly string[] = [],
): VirtualKubeletError {
  const parsed = v.safeParse(body, jsonOf(answer.text));
  const error = parsed.success ? parsed.output.error : undefined;
  const code = error?.code ?? undefined;
  const words = [error?.message, ...(error?.details ?? []).map((each) => each.message)]
    .filter((text) => typeof text === "string" && text !== "")
    .join(" ");
  const said = words === "" ? answer.text.trim() || "no words" : words;
  const message = `${what}: ${code ?? `HTTP ${answer.status}`}: ${withoutSecrets(said, secrets).slice(0, longestMessage)}`;
  return new VirtualKubeletError(kindOf(answer.status, code), message, {
    httpStatus: answer.status,
    reason: code,
    field: error?.target ?? undefined,
    retryAfterMs: retryAfterMs(answer.headers, now),
  });
}

/** Milliseconds, where the answer has one of the headers that the cloud uses for it. */
export function retryAfterMs(headers: HttpAnswer["headers"], now: number): number | undefined {
  for (const name of ["retry-after-ms", "x-ms-retry-after-ms"]) {
    const value = headers[name];
    if (typeof value === "string" && /^\d+$/.test(value)) return Number(value);
  }
  const value = headers["retry-after"];
  if (typeof value !== "string") return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The image or its registry could not be reached: kubelets try such pods again, and so does the core. */
const tryAgain =
  /^(InaccessibleImage|RegistryErrorResponse|ImagePull|.*Timeout$|.*InternalError$|InternalServerError$)/i;
const quota =
  /Quota|^(ServiceUnavailable|InsufficientCapacity|.*CapacityNotAvailable|SkuNotAvailable|.*AllocationFailed)$/i;
/** The account, or the configuration of this node: no pod is at fault. */
const account =
  /^(SubscriptionNotFound|InvalidSubscriptionId|SubscriptionNotRegistered|MissingSubscriptionRegistration|DisabledSubscription|ReadOnlyDisabledSubscription|InvalidTenantId|LocationNotAvailableForResourceType|NoRegisteredProviderFound|InvalidApiVersionParameter|InvalidResourceType)$/i;

function kindOf(status: number, code: string | undefined): ErrorKind {
  if (status === 429 || /Throttled|^TooManyRequests$/i.test(code ?? "")) return "Throttled";
  if (code !== undefined && account.test(code)) return "Forbidden";
  switch (status) {
    case 400:
    case 413:
    case 422:
      if (code !== undefined && quota.test(code)) return "Quota";
      return code !== undefined && tryAgain.test(code) ? "Unavailable" : "Invalid";
    case 401:
      return "Unauthorized";
    case 403:
      return code !== undefined && quota.test(code) ? "Quota" : "Forbidden";
    case 404:
      // Only the cloud's own words say that something is gone; a resource group that is not there is a configuration at fault.
      return code === undefined || code === "ResourceGroupNotFound" ? "Unavailable" : "NotFound";
    case 409:
      if (code !== undefined && quota.test(code)) return "Quota";
      return code !== undefined && tryAgain.test(code) ? "Unavailable" : "Conflict";
    case 412:
      return "Conflict";
    default:
      return "Unavailable";
  }
}
