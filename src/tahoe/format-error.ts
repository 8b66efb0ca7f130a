// The one error of bytes that are not what a Tahoe-LAFS share must be, whoever sent them.

/** Which part of a share is wrong. */
export type FormatErrorCode =
  | 'BAD_SHARE_HEADER'
  | 'BAD_HASH_CHAIN'
  | 'BAD_URI_EXTENSION'
  /** What the capability vouches for contradicts the capability: that is not as it was, the share is. */
  | 'OTHER_CAPABILITY';

/** Bytes of a share that cannot be used; the sentence names the field. */
export class FormatError extends Error {
  override readonly name: string = 'FormatError';
  readonly code: FormatErrorCode;

  constructor(code: FormatErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
