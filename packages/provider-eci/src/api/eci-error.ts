// What an answer that is no success means, in our kinds. By the cloud's code first: it answers 400 and 403 to much that is neither the
// pod's fault nor a lack of rights. Pure.
import { type ErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type HttpAnswer, jsonOf, withoutSecrets } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";

const body = v.object({
  Code: v.optional(v.nullable(v.string())),
  Message: v.optional(v.nullable(v.string())),
  RequestId: v.optional(v.nullable(v.string())),
});

const longestMessage = 2000;

/** `action`: the call, for the message. `secrets` of the request are blotted out of what the cloud says of it. */
export function eciError(answer: HttpAnswer, action: string, secrets: readonly string[] = []): VirtualKubeletError {
  const parsed = v.safeParse(body, jsonOf(answer.text));
  const { Code, Message, RequestId } = parsed.success ? parsed.output : {};
  const code = Code ?? undefined;
  const said = Message ?? (parsed.success ? "no words" : answer.text.trim() || "no words");
  const request = RequestId === undefined || RequestId === null ? "" : ` (request ${RequestId})`;
  const words = withoutSecrets(said, secrets).slice(0, longestMessage);
  const { "retry-after": retryAfter = "" } = answer.headers;
  const seconds = typeof retryAfter === "string" && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined;
  return new VirtualKubeletError(
    kindOf(answer.status, code),
    `${action}: ${code ?? `HTTP ${answer.status}`}: ${words}${request}`,
    {
      httpStatus: answer.status,
      reason: code,
      ...(seconds !== undefined && { retryAfterMs: seconds * 1000 }),
    },
  );
}

/** A dry run that found nothing wrong is told as a fault. */
export function isDryRunSuccess(error: unknown): boolean {
  return /^DryRun/.test(VirtualKubeletError.from(error).reason ?? "");
}

/** The first that fits counts. */
const kinds: readonly (readonly [RegExp, ErrorKind])[] = [
  [/^Throttling|^Degrade|FlowControl|TooManyRequests|RequestLimitExceeded/i, "Throttled"],
  // A nonce or a time that is not taken: the next call has others.
  [/^SignatureNonceUsed|^InvalidTimeStamp/i, "Unavailable"],
  [
    /^InvalidAccessKeyId|^InvalidSecurityToken|^SignatureDoesNotMatch|^IncompleteSignature|^MissingSecurityToken|^InvalidCredentials/i,
    "Unauthorized",
  ],
  [
    /Arrearage|InsufficientBalance|Stock|Quota|SoldOut|Insufficient|ResourceNotAvailable|NotOnSale|IpNotEnough|Zone(Closed|NotOpen)/i,
    "Quota",
  ],
  [
    /^Forbidden|^NoPermission|Unauthorized|NotAuthorized|^CreateServiceLinkedRole|NotOpen|NotOpened|^RealName|^Account\./i,
    "Forbidden",
  ],
  [
    /IdempotentParameterMismatch|ClientToken|^IncorrectStatus|IncorrectContainerGroupStatus|^Conflict|OperationConflict|InUse/i,
    "Conflict",
  ],
  [/ContainerGroup.*(NotFound|NotExist)|^InvalidContainerGroupId|^InvalidParameter\.ContainerGroup(Id)?$/i, "NotFound"],
  [
    /^ServiceUnavailable|^Internal|^UnknownError|TimedOut|Timeout|TryAgain|RepositoryAuthorizationFailed/i,
    "Unavailable",
  ],
];

/** Of the account, the network or the configuration of this node: no pod fails for it. */
const account =
  /^(InvalidRegionId|MissingRegionId|InvalidVSwitchId|InvalidSecurityGroup|InvalidVpc|InvalidZone|ResourceGroup|InvalidResourceGroup|EntityNotExist|InvalidApi|UnsupportedHTTPMethod|InvalidAction|InvalidVersion|MissingVersion|InvalidProduct|Invalid(Role|RamRole))/i;

function kindOf(status: number, code: string | undefined): ErrorKind {
  const found = code === undefined ? undefined : kinds.find(([pattern]) => pattern.test(code));
  if (found !== undefined) return found[1];
  if (status === 429) return "Throttled";
  if (code !== undefined && account.test(code)) return "Forbidden";
  switch (status) {
    case 400:
    case 404:
    case 413:
    case 422:
      // Without the cloud's own words it is no word of the cloud's.
      return code === undefined ? "Unavailable" : "Invalid";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 409:
      return "Conflict";
    default:
      return "Unavailable";
  }
}
