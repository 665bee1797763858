// What providers over clouds have in common, for those that run whole pods elsewhere: @virtual-kubelet/virtual-kubelet/cloud.

export {
  CallBudget,
  type CallBudgetOptions,
  type CallCounts,
  type OperationLimit,
  type Urgency,
} from "./call-budget.ts";
export type {
  CloudBackend,
  CloudEvent,
  CloudGroup,
  CreateNote,
  GroupContainer,
  GroupRef,
} from "./cloud-backend.ts";
export { CloudProvider, type CloudProviderOptions } from "./cloud-provider.ts";
export { type DeliveredVolume, type DeliveryOptions, type FileDelivery, fileDelivery } from "./file-delivery.ts";
export { firstSize } from "./first-size.ts";
export { type HttpAnswer, type HttpCall, Https, type HttpsOptions, jsonOf, withoutSecrets } from "./https.ts";
export { type LateEnvOptions, type PlainEnvVar, type PlainProcess, withoutLateTexts } from "./late-env.ts";
export { timedLines } from "./log-lines.ts";
export type { PolledLine } from "./log-overlap.ts";
export { followedByPolling, type LogPollerOptions, type PolledLog } from "./log-poller.ts";
export { goOwnerOf, ownerOf, ownerTags, revisionOf, type TagOptions } from "./owner-tags.ts";
export { type PlacedContainer, placedContainers } from "./pod-containers.ts";
export { ignored, invalid, unsupported } from "./pod-faults.ts";
export { defaultPace, type PollPace } from "./poll-schedule.ts";
export { sharedBudget } from "./shared-budget.ts";
export { connectionEnded, execInShell, type ShellExecOptions, type ShellTerminal } from "./shell-exec.ts";
export { shellWord } from "./shell-quoting.ts";
export { type ShortNameOptions, shortName } from "./short-name.ts";
export { openTerminal, type SocketTerminal, type TerminalOptions } from "./socket-terminal.ts";
export type { CallLimit } from "./token-bucket.ts";
export { checkProfiles, unenforcedNotes } from "./unenforced-security.ts";
export { type VolumeWrite, type VolumeWriteOptions, volumeMissing, volumeWrite } from "./volume-write.ts";
