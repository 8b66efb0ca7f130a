// Numbers as people write and read them: sizes, durations, rates, counts, base64. Pure.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1536` → `1.5 KiB`; three significant figures at most beyond bytes. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]!}`;
}

/** `950` → `950 ms`, `2340` → `2.3 s`, `75000` → `1 min 15 s`, `3.7e6` → `1 h 02 min`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`;
  const seconds = durationMs / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** Bytes per second over a stretch of time; `–` when there was none. */
export function formatRate(sizeBytes: number, durationMs: number): string {
  return durationMs > 0 ? `${formatBytes((sizeBytes * 1000) / durationMs)}/s` : '–';
}

/** `131072`, `128KiB`, `1 MiB`, `2M` (powers of 1024 throughout) in bytes; undefined when it is no such size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,16}) ?(?:([KMGT])(?:i?B)?|B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const power = match[2] === undefined ? 0 : 'KMGT'.indexOf(match[2].toUpperCase()) + 1;
  const sizeBytes = Number(match[1]) * 1024 ** power;
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** A whole number from `min` to `max`, in decimal; undefined when it is none. */
export function parseCount(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** Bytes of a base64 or base64url text, padded or not; undefined when it is none. */
export function parseBase64(text: string): Uint8Array | undefined {
  const bare = text.trim().replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Buffer.from(bare, 'base64');
  // Buffer skips what it does not know; encoding again shows whether it skipped anything.
  if (bytes.toString('base64').replace(/=+$/, '') !== bare) return undefined;
  return new Uint8Array(bytes);
}

/** A name as it may be shown on a terminal: quoted, with everything that could move the cursor escaped. */
export function quoteName(name: string): string {
  const shown = JSON.stringify(name).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return /^"[\w./+@%,:=~-]+"$/.test(shown) ? shown.slice(1, -1) : shown;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
