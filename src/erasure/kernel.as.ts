// AssemblyScript, not TypeScript: the inner loops of the erasure code, compiled by `npm run build:wasm` into
// kernel.wasm.ts. It multiplies blocks by rows of a matrix over GF(2^8), 16 bytes at a time; where things lie in
// memory, how long blocks are cut into chunks, and which rows there are is kernel.ts's business.
//
// A product c·x is linear in x, so it is the sum of two table lookups, one for each nibble of x. The two tables of
// c (16 products of the low nibble, 16 of the high one) lie at address 32·c; `i8x16.swizzle` looks up 16 at once.
//
// The coefficients of a row sum to 1, for the polynomial through equal values is constant. So the first input needs
// no product: c₀·x₀ + c₁·x₁ + … = x₀ + c₁·(x₁ − x₀) + … (subtraction, like the sum, is exclusive or).

/**
 * out = the sum over c of coefficients[c] · input[c]; the inputs lie `stride` bytes apart, starting at `inputs`.
 * Works in whole steps of 64 bytes: up to 63 bytes after `length` are read and written as well.
 */
export function multiplyRow(
  coefficients: usize,
  inputs: usize,
  inputCount: usize,
  stride: usize,
  length: usize,
  out: usize,
): void {
  for (let at: usize = 0; at < length; at += 64) {
    const base0 = v128.load(inputs + at);
    const base1 = v128.load(inputs + at, 16);
    const base2 = v128.load(inputs + at, 32);
    const base3 = v128.load(inputs + at, 48);
    let sum0 = base0;
    let sum1 = base1;
    let sum2 = base2;
    let sum3 = base3;
    let input = inputs + at;
    for (let c: usize = 1; c < inputCount; c++) {
      input += stride;
      const tables = tablesOf(coefficients + c);
      const lowTable = v128.load(tables);
      const highTable = v128.load(tables, 16);
      sum0 = addProduct(sum0, lowTable, highTable, v128.xor(base0, v128.load(input)));
      sum1 = addProduct(sum1, lowTable, highTable, v128.xor(base1, v128.load(input, 16)));
      sum2 = addProduct(sum2, lowTable, highTable, v128.xor(base2, v128.load(input, 32)));
      sum3 = addProduct(sum3, lowTable, highTable, v128.xor(base3, v128.load(input, 48)));
    }
    v128.store(out + at, sum0);
    v128.store(out + at, sum1, 16);
    v128.store(out + at, sum2, 32);
    v128.store(out + at, sum3, 48);
  }
}

/**
 * Two rows at once, so that each input is loaded and split into nibbles once for both: the coefficients of the
 * second row follow those of the first, and the second result lies `stride` bytes after the first.
 * Works in whole steps of 32 bytes, otherwise as {@link multiplyRow}.
 */
export function multiplyTwoRows(
  coefficients: usize,
  inputs: usize,
  inputCount: usize,
  stride: usize,
  length: usize,
  out: usize,
): void {
  for (let at: usize = 0; at < length; at += 32) {
    const base0 = v128.load(inputs + at);
    const base1 = v128.load(inputs + at, 16);
    let first0 = base0;
    let first1 = base1;
    let second0 = base0;
    let second1 = base1;
    let input = inputs + at;
    for (let c: usize = 1; c < inputCount; c++) {
      input += stride;
      const difference0 = v128.xor(base0, v128.load(input));
      const difference1 = v128.xor(base1, v128.load(input, 16));
      const low0 = lowNibbles(difference0);
      const low1 = lowNibbles(difference1);
      const high0 = highNibbles(difference0);
      const high1 = highNibbles(difference1);

      const firstTables = tablesOf(coefficients + c);
      const firstLow = v128.load(firstTables);
      const firstHigh = v128.load(firstTables, 16);
      first0 = addLookups(first0, firstLow, firstHigh, low0, high0);
      first1 = addLookups(first1, firstLow, firstHigh, low1, high1);

      const secondTables = tablesOf(coefficients + inputCount + c);
      const secondLow = v128.load(secondTables);
      const secondHigh = v128.load(secondTables, 16);
      second0 = addLookups(second0, secondLow, secondHigh, low0, high0);
      second1 = addLookups(second1, secondLow, secondHigh, low1, high1);
    }
    v128.store(out + at, first0);
    v128.store(out + at, first1, 16);
    v128.store(out + stride + at, second0);
    v128.store(out + stride + at, second1, 16);
  }
}

/** Address of the nibble tables of the coefficient stored at `coefficient`. */
function tablesOf(coefficient: usize): usize {
  return (<usize>load<u8>(coefficient)) << 5;
}

function lowNibbles(bytes: v128): v128 {
  return v128.and(bytes, i8x16.splat(15));
}

// x86 has no shift of 8-bit lanes: 16-bit lanes and a mask take fewer instructions than i8x16.shr_u.
function highNibbles(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
}

function addProduct(sum: v128, lowTable: v128, highTable: v128, bytes: v128): v128 {
  return addLookups(sum, lowTable, highTable, lowNibbles(bytes), highNibbles(bytes));
}

function addLookups(sum: v128, lowTable: v128, highTable: v128, low: v128, high: v128): v128 {
  return v128.xor(sum, v128.xor(i8x16.swizzle(lowTable, low), i8x16.swizzle(highTable, high)));
}
