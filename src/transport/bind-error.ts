// Why a socket could not be bound, in words that say what to do.

import { RpcError } from './error.ts';

/** `where`: `UDP 127.0.0.1:4820`. `cause`: what the system said. */
export function bindError(cause: unknown, where: string): RpcError {
  const code = (cause as NodeJS.ErrnoException).code;
  switch (code) {
    case 'EADDRINUSE':
      return new RpcError('ADDRESS_IN_USE', `${where} is in use by another process; choose another port`, {
        cause,
      });
    case 'EADDRNOTAVAIL':
      return new RpcError('BAD_ARGUMENT', `${where} is no address of this machine; bind to one that is`, {
        cause,
      });
    case 'EACCES':
      return new RpcError('BAD_ARGUMENT', `binding to ${where} is not permitted; choose a port above 1023`, {
        cause,
      });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new RpcError(
        'HOST_UNKNOWN',
        `no address is known for ${where}; check the name and the resolver`,
        {
          cause,
        },
      );
    default:
      return new RpcError('BAD_ARGUMENT', `binding to ${where} failed: ${String(cause)}`, { cause });
  }
}
