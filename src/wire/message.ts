// What stands inside a message: a request is a method name and an encoded body; a failed call's answer is a
// code, whether the handler had run, and what the handler said. Bodies themselves are not looked at here.

import { Encoder } from 'cbor-x';
import { faultOfCbor } from '../base/cbor-check.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import { Reader, varintBytes, writeVarint } from './varint.ts';

/** Longest method name, in bytes of UTF-8. */
export const METHOD_BYTES_MAX = 255;

/** Longest sentence of a remote error that is passed on, in characters. */
const DETAIL_CHARS_MAX = 1000;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const cbor = new Encoder({ useRecords: false, tagUint8Array: false });

/** Encodes method names once. */
const requestHeads = new Map<string, Uint8Array>();

/** What a request has before its body: the method. @throws RangeError when the name is empty or too long. */
export function requestHead(method: string): Uint8Array {
  return requestHeads.get(method) ?? newRequestHead(method);
}

function newRequestHead(method: string): Uint8Array {
  const name = utf8Encoder.encode(method);
  if (name.length === 0 || name.length > METHOD_BYTES_MAX) {
    throw new RangeError(`a method name has 1 to ${METHOD_BYTES_MAX} bytes, not ${name.length}`);
  }
  const head = new Uint8Array(varintBytes(name.length) + name.length);
  head.set(name, writeVarint(head, 0, name.length));
  // Names are few in any sane program; one that makes them up is not allowed to fill the memory.
  if (requestHeads.size < 1000) requestHeads.set(method, head);
  return head;
}

/** A request, taken apart. */
export interface Request {
  readonly method: string;
  /** Encoded. */
  readonly body: Uint8Array;
}

/** The two parts of a received request; `undefined` when it is malformed. The body is a view. */
export function parseRequest(message: Uint8Array): Request | undefined {
  const reader = new Reader(message);
  const length = reader.varint();
  const from = reader.at;
  const end = from + length;
  // P-34
  if (reader.failed || length === 0 || length > METHOD_BYTES_MAX || end > message.length) return undefined;
  const method = methodName(message, from, end);
  return method === undefined ? undefined : { method, body: message.subarray(end) };
}

/** The name that stands there; `undefined` when it is not UTF-8. Names that come again and again are decoded once. */
function methodName(message: Uint8Array, from: number, end: number): string | undefined {
  let hash = end - from;
  for (let at = from; at < end; at++) hash = (31 * hash + message[at]!) & (METHOD_NAMES - 1);
  const known = methodNames[hash];
  if (known !== undefined && hasBytesAt(message, from, end, known.bytes)) return known.name;
  const bytes = Uint8Array.from(message.subarray(from, end));
  try {
    const name = utf8Decoder.decode(bytes);
    methodNames[hash] = { bytes, name };
    return name;
  } catch {
    return undefined;
  }
}

function hasBytesAt(message: Uint8Array, from: number, end: number, bytes: Uint8Array): boolean {
  if (bytes.length !== end - from) return false;
  for (let i = 0; i < bytes.length; i++) if (message[from + i] !== bytes[i]) return false;
  return true;
}

/** So many are remembered, each where its bytes lead to: whoever makes names up takes the places of others, not more. */
const METHOD_NAMES = 256;
const methodNames: ({ readonly bytes: Uint8Array; readonly name: string } | undefined)[] = new Array(
  METHOD_NAMES,
).fill(undefined);

/** A call's failure as its answer tells it. */
export interface ErrorBody {
  readonly code: RpcErrorCode;
  readonly executed: Executed;
  readonly detail?: ErrorDetail;
}

/** Codes that a server may send; anything else is BAD_MESSAGE. */
const REMOTE_CODES: ReadonlySet<RpcErrorCode> = new Set([
  'DEADLINE_EXCEEDED',
  'OUTCOME_UNKNOWN',
  'UNKNOWN_METHOD',
  'HANDLER_FAILED',
  'TOO_LARGE',
  'OVERLOADED',
  'UNAUTHORIZED',
  'BAD_MESSAGE',
  'CLOSED',
]);

export function encodeErrorBody(error: ErrorBody): Uint8Array {
  const { code, executed, detail } = error;
  const fields: string[] = [code, executed];
  if (detail !== undefined) {
    fields.push(detail.code.slice(0, DETAIL_CHARS_MAX), detail.message.slice(0, DETAIL_CHARS_MAX));
  }
  return cbor.encode(fields);
}

/** Never throws: what cannot be understood is itself an error of the peer. */
export function parseErrorBody(body: Uint8Array): ErrorBody {
  // P-35
  const bad: ErrorBody = { code: 'BAD_MESSAGE', executed: 'unknown' };
  if (faultOfCbor(body) !== undefined) return bad;
  let fields: unknown;
  try {
    fields = cbor.decode(body);
  } catch {
    return bad;
  }
  if (!Array.isArray(fields)) return bad;
  const [code, executed, detailCode, detailMessage] = fields as unknown[];
  if (!REMOTE_CODES.has(code as RpcErrorCode)) return bad;
  if (executed !== 'no' && executed !== 'yes' && executed !== 'unknown') return bad;
  const error = { code: code as RpcErrorCode, executed } as const;
  if (typeof detailCode !== 'string' || typeof detailMessage !== 'string') return error;
  return {
    ...error,
    detail: {
      code: detailCode.slice(0, DETAIL_CHARS_MAX),
      message: detailMessage.slice(0, DETAIL_CHARS_MAX),
    },
  };
}
