// Arithmetic in GF(2^8) as zfec uses it, and the matrices of the code: which coefficients turn the blocks at some
// share numbers into the blocks at others. Applying them to bytes is left to reference.ts and kernel.ts.

/** x^8 + x^4 + x^3 + x^2 + 1, in which α = 2 generates all 255 elements other than zero. */
const POLYNOMIAL = 0x11d;

/** Order of the multiplicative group: exponents of α count modulo this. */
const GROUP_ORDER = 255;

/** α^e for 0 ≤ e < 510, so that the sum of two logarithms needs no reduction. */
const EXP: Uint8Array = new Uint8Array(2 * GROUP_ORDER);

/** Logarithms to the base α of 1 to 255; the entry of zero, which has none, is never read. */
const LOG: Uint8Array = new Uint8Array(256);

for (let exponent = 0, power = 1; exponent < GROUP_ORDER; exponent++) {
  EXP[exponent] = power;
  EXP[exponent + GROUP_ORDER] = power;
  LOG[power] = exponent;
  power <<= 1;
  if (power > 0xff) power ^= POLYNOMIAL;
}

/** The product of two field elements (0 to 255). Their sum is `a ^ b`. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;
}

/** Where share `shareNumber` (0 to 255) evaluates the polynomial: 0, then the powers of α. */
export function pointOf(shareNumber: number): number {
  return shareNumber === 0 ? 0 : EXP[shareNumber - 1]!;
}

/**
 * The matrix that computes the blocks of shares `wanted` from those of shares `known`, row by row: entry
 * `row * known.length + column` is the factor of block `known[column]` in block `wanted[row]`.
 *
 * All blocks are values of one polynomial of degree below `known.length`, so these are Lagrange's basis
 * polynomials: Π over m ≠ s of (x_w − x_m) / (x_s − x_m). Encoding is `known` = 0 … k−1, decoding is any other k.
 * Share numbers are 0 to 255, those of `known` distinct, none of `wanted` among them.
 */
export function interpolationMatrix(known: readonly number[], wanted: readonly number[]): Uint8Array {
  const points = known.map(pointOf);
  const denominatorLogs = points.map((point) => logOfProduct(differences(point, points)));
  const matrix = new Uint8Array(wanted.length * known.length);
  let at = 0;
  for (const shareNumber of wanted) {
    const logs = differences(pointOf(shareNumber), points).map((difference) => LOG[difference]!);
    const logOfAll = sumOfLogs(logs);
    for (const [column, log] of logs.entries()) {
      const exponent = (logOfAll - log - denominatorLogs[column]! + 2 * GROUP_ORDER) % GROUP_ORDER;
      matrix[at++] = EXP[exponent]!;
    }
  }
  return matrix;
}

/** point − p for each other p of `points`; subtraction is exclusive or. */
function differences(point: number, points: readonly number[]): number[] {
  return points.filter((other) => other !== point).map((other) => point ^ other);
}

function logOfProduct(factors: readonly number[]): number {
  return sumOfLogs(factors.map((factor) => LOG[factor]!));
}

function sumOfLogs(logs: readonly number[]): number {
  return logs.reduce((sum, log) => sum + log, 0) % GROUP_ORDER;
}
