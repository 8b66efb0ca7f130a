// The part of istanbul-lib-instrument that the fuzzer uses; the library brings no types.

declare module 'istanbul-lib-instrument' {
  export function createInstrumenter(options: { readonly esModules: boolean; readonly compact: boolean }): {
    instrumentSync(code: string, path: string): string;
  };
}
