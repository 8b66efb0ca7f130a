// The capability that a file would get, computed without a grid. Uploading it is upload's business.

import { concatBytes } from '../base/bytes.ts';
import { formatCapability, LITERAL_SIZE_BYTES_MAX } from '../tahoe/capability.ts';
import { ConvergentKeyHasher } from '../tahoe/convergence.ts';
import { segmentSizeFor } from '../tahoe/segments.ts';
import { ChkEncoder } from './encode.ts';
import { chunksOf, segmentsOf, type UploadSource } from './source.ts';

/** How a file is to be encoded. The capability depends on each of these. */
export interface EncodingParameters {
  /** Shares that are to be enough (k), 1 to `total`. */
  readonly needed: number;
  /** Shares to make (n), up to 256. */
  readonly total: number;
  /** Largest segment; see {@link segmentSizeFor}. */
  readonly segmentSizeBytes: number;
}

/**
 * The text of the capability: LIT for a file small enough, else CHK. Reads the source twice.
 * @throws SourceError when the source's size is not what it says.
 */
export async function capabilityOf(
  source: UploadSource,
  parameters: EncodingParameters & { readonly convergence: Uint8Array },
): Promise<string> {
  if (source.sizeBytes <= LITERAL_SIZE_BYTES_MAX) {
    return formatCapability({ kind: 'lit', bytes: await readLiteral(source) });
  }
  const key = await convergentKeyOf(source, parameters);
  const encoder = new ChkEncoder({ ...parameters, key, sizeBytes: source.sizeBytes });
  for await (const { index, bytes } of segmentsOf(source, encoder.segmentation.segmentSizeBytes)) {
    encoder.encodeSegment(index, bytes);
  }
  return formatCapability(encoder.finish().capabilityWith(key));
}

/** All bytes of a source that is small enough for a literal. */
export async function readLiteral(source: UploadSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(source)) chunks.push(chunk);
  return concatBytes(chunks);
}

/** The convergent key of a source, 16 bytes: one pass over it. */
export async function convergentKeyOf(
  source: UploadSource,
  parameters: EncodingParameters & { readonly convergence: Uint8Array },
): Promise<Uint8Array> {
  const { convergence, needed, total } = parameters;
  const segmentSizeBytes = segmentSizeFor(source.sizeBytes, needed, parameters.segmentSizeBytes);
  const hasher = new ConvergentKeyHasher(convergence, needed, total, segmentSizeBytes);
  for await (const chunk of chunksOf(source)) hasher.update(chunk);
  return hasher.digest();
}
