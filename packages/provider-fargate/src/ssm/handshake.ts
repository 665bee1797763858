// What both sides agree on before a session begins: payloads of JSON, read and answered.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";

/** The version of Session Manager's client that this speaks like: agents give newer ones more. */
export const clientVersion = "1.2.707.0";

const requestSchema = v.object({
  RequestedClientActions: v.nullish(v.array(v.object({ ActionType: v.string(), ActionParameters: v.unknown() })), []),
});

const acknowledgeSchema = v.object({
  AcknowledgedMessageType: v.string(),
  AcknowledgedMessageId: v.string(),
  AcknowledgedMessageSequenceNumber: v.number(),
});

const closedSchema = v.object({ Output: v.nullish(v.string(), "") });

const actionStatus = { success: 1, unsupported: 3 } as const;

export interface HandshakeAnswer {
  readonly payload: Uint8Array;
  /** What the agent asked for and does not get, although it would not do without. */
  readonly refused: readonly string[];
}

/** Throws Unavailable when the payload is no request. */
export function answerHandshake(payload: Uint8Array): HandshakeAnswer {
  const { RequestedClientActions: actions } = parsed(requestSchema, payload, "a handshake request");
  const refused = actions.map((action) => action.ActionType).filter((type) => type !== "SessionType");
  const errors = refused.map((type) => `Unsupported action ${type}`);
  return {
    payload: jsonBytes({
      ClientVersion: clientVersion,
      ProcessedClientActions: actions.map(({ ActionType }) =>
        ActionType === "SessionType"
          ? { ActionType, ActionStatus: actionStatus.success, ActionResult: null, Error: "" }
          : {
              ...{ ActionType, ActionStatus: actionStatus.unsupported, ActionResult: null },
              Error: `Unsupported action ${ActionType}`,
            },
      ),
      Errors: errors.length === 0 ? null : errors,
    }),
    refused,
  };
}

export interface Acknowledgement {
  readonly messageType: string;
  readonly messageId: string;
  readonly sequenceNumber: number;
}

export function acknowledgement(of: Acknowledgement): Uint8Array {
  return jsonBytes({
    AcknowledgedMessageType: of.messageType,
    AcknowledgedMessageId: of.messageId,
    AcknowledgedMessageSequenceNumber: of.sequenceNumber,
    IsSequentialMessage: true,
  });
}

export function parseAcknowledgement(payload: Uint8Array): Acknowledgement {
  const content = parsed(acknowledgeSchema, payload, "an acknowledgement");
  return {
    messageType: content.AcknowledgedMessageType,
    messageId: content.AcknowledgedMessageId,
    sequenceNumber: content.AcknowledgedMessageSequenceNumber,
  };
}

/** What the service says of the end of a session, "" when nothing. */
export function parseChannelClosed(payload: Uint8Array): string {
  return payload.length === 0 ? "" : (parsed(closedSchema, payload, "a closing message").Output ?? "");
}

/** "EXIT_CODE: 7", or a bare number; undefined for anything else. */
export function parseExitCode(payload: Uint8Array): number | undefined {
  const digits = /^(?:EXIT_CODE:)?\s*(\d{1,3})\s*$/.exec(Buffer.from(payload).toString("utf8"))?.[1];
  return digits === undefined || Number(digits) > 255 ? undefined : Number(digits);
}

export function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function parsed<S extends v.GenericSchema>(schema: S, payload: Uint8Array, what: string): v.InferOutput<S> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", `the session got ${what} that is no JSON`, { cause });
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new VirtualKubeletError("Unavailable", `the session got ${what} that is none: ${issue.message}`);
}
