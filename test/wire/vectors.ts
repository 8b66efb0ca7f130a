// Reads spec/vectors/wire.json: bytes of the protocol, what they mean, and bytes that mean nothing.

import { readFileSync } from 'node:fs';
import type { DatagramHeader } from '../../src/wire/datagram.ts';
import {
  FRAME,
  type Frame,
  writeAck,
  writeCallFrame,
  writeCancel,
  writeCancelled,
  writeFragment,
  writeGrant,
  writeHello,
  writePathFrame,
  writeRequestStart,
  writeResponseStart,
} from '../../src/wire/frame.ts';

interface Named {
  readonly name: string;
  readonly hex: string;
}

interface FramesCase extends Named {
  readonly frames: readonly FrameForm[];
}

interface DatagramCase extends Named {
  readonly header: Readonly<Record<string, unknown>> & { readonly kind: DatagramHeader['kind'] };
  readonly frames?: readonly FrameForm[];
}

/** A frame as JSON: its bytes in hexadecimal. */
export interface FrameForm {
  readonly type: Frame['type'];
  readonly data?: string;
}

interface WireVectors {
  readonly varints: {
    readonly good: readonly { readonly value: number; readonly hex: string }[];
    readonly read: readonly { readonly value: number; readonly hex: string }[];
    readonly malformed: readonly Named[];
  };
  readonly frames: {
    readonly good: readonly FramesCase[];
    readonly read: readonly FramesCase[];
    readonly malformed: readonly Named[];
  };
  readonly datagrams: {
    readonly good: readonly DatagramCase[];
    readonly read: readonly DatagramCase[];
    readonly malformed: readonly (Named & { readonly verdict: 'malformed' | 'unknown-version' })[];
  };
  readonly messages: {
    readonly requests: readonly (Named & { readonly method: string; readonly body: string })[];
    readonly malformedRequests: readonly Named[];
    readonly errors: readonly (Named & { readonly error: Readonly<Record<string, unknown>> })[];
    readonly malformedErrors: readonly Named[];
  };
}

export const vectors: WireVectors = JSON.parse(
  readFileSync(new URL('../../spec/vectors/wire.json', import.meta.url), 'utf8'),
);

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What was decoded, as JSON has it: byte arrays become hexadecimal. */
export function toForm(decoded: unknown): unknown {
  return JSON.parse(
    JSON.stringify(decoded, function (this: Readonly<Record<string, unknown>>, key, value) {
      // A Buffer comes here as what its toJSON made of it.
      const raw = this[key];
      return raw instanceof Uint8Array ? toHex(raw) : value;
    }),
  );
}

/** The frame that a form stands for. */
export function fromForm(form: FrameForm): Frame {
  const { data } = form;
  return (data === undefined ? form : { ...form, data: fromHex(data) }) as unknown as Frame;
}

/** The bytes of a frame, by the functions that an endpoint writes with. */
export function encodeFrame(frame: Frame): Uint8Array {
  const target = new Uint8Array(4200 + ('data' in frame ? frame.data.length : 0));
  return target.slice(0, writeFrame(target, frame));
}

function writeFrame(target: Uint8Array, frame: Frame): number {
  switch (frame.type) {
    case 'ping':
      target[0] = FRAME.ping;
      return 1;
    case 'ack':
      return writeAck(target, 0, frame.ranges, frame.delayUs);
    case 'hello':
      return writeHello(target, 0, frame);
    case 'request':
    case 'response': {
      const { callId, offset, total, data } = frame;
      const type = frame.type === 'request' ? FRAME.request : FRAME.response;
      return writeFragment(
        target,
        0,
        type,
        callId,
        offset,
        messageWith(data, offset, total),
        offset + data.length,
      );
    }
    case 'request-start': {
      const { callId, firstIncomplete, remainingMs, total, data } = frame;
      const message = messageWith(data, 0, total);
      return writeRequestStart(
        target,
        0,
        callId,
        callId - firstIncomplete,
        remainingMs,
        message,
        data.length,
      );
    }
    case 'response-start': {
      const { callId, status, heldUs, total, data } = frame;
      return writeResponseStart(target, 0, callId, status, heldUs, messageWith(data, 0, total), data.length);
    }
    case 'cancel':
      return writeCancel(target, 0, frame.ranges);
    case 'cancelled':
      return writeCancelled(target, 0, frame.executed, frame.ranges);
    case 'working':
      return writeCallFrame(target, 0, FRAME.working, frame.callId);
    case 'unknown':
      return writeCallFrame(target, 0, FRAME.unknown, frame.callId);
    case 'grant':
      return writeGrant(target, 0, frame.callId, frame.limit);
    case 'path-challenge':
      return writePathFrame(target, 0, FRAME.pathChallenge, frame.token);
    case 'path-response':
      return writePathFrame(target, 0, FRAME.pathResponse, frame.token);
    default:
      return frame satisfies never;
  }
}

/** A message of this size with these bytes at this place. */
function messageWith(data: Uint8Array, offset: number, total: number): Uint8Array {
  const message = new Uint8Array(total);
  message.set(data, offset);
  return message;
}
