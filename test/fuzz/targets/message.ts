// Requests and errors as messages hold them.

import {
  encodeErrorBody,
  METHOD_BYTES_MAX,
  parseErrorBody,
  parseRequest,
  requestHead,
} from '../../../src/wire/message.ts';
import { assert, type FuzzTarget, text } from '../target.ts';

export const target: FuzzTarget = {
  maxBytes: 512,
  covers: ['wire/message.ts'],
  seeds: [
    Buffer.concat([requestHead('read'), Uint8Array.of(1, 2, 3)]),
    requestHead('ünïcode'),
    encodeErrorBody({ code: 'HANDLER_FAILED', executed: 'yes', detail: { code: 'NO_SPACE', message: 'no' } }),
    encodeErrorBody({ code: 'OVERLOADED', executed: 'no' }),
  ],
  dictionary: ['yes', 'no', 'unknown', 'HANDLER_FAILED', 'TOO_LARGE'].map(text),
  run(input) {
    const request = parseRequest(input);
    if (request !== undefined) {
      const { method, body } = request;
      assert(method.length > 0 && method.length <= METHOD_BYTES_MAX, 'a method has a name');
      assert(body.length < input.length, 'a body is a part of its message');
    }
    const error = parseErrorBody(input);
    const again = parseErrorBody(encodeErrorBody(error));
    assert(
      again.code === error.code && again.executed === error.executed,
      'an error is read as it was written',
    );
  },
};
