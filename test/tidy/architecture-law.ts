// The two tables of spec/architecture.md that are law: which room may import which, and which files may touch the
// world. Reads them; import-rules.ts judges by them.

export interface RoomLaw {
  /** Rooms (`base`) and single files (`storage/storage-server.ts`); or everything. */
  readonly mayImport: readonly string[] | 'anything';
  /** Files of the room that may read clocks, arm timers, draw random numbers, open sockets and files. */
  readonly worldIn: readonly string[] | 'anywhere';
}

/** By room: the name of a folder in src, or of a file directly in it. */
export type ArchitectureLaw = ReadonlyMap<string, RoomLaw>;

/**
 * Reads the table whose header is `| room | may import | touches the world in |`. Names stand in backticks; the
 * words `nothing`, `anything`, `nowhere`, `anywhere` stand bare.
 * @throws Error when there is no such table, or a cell says neither.
 */
export function parseArchitectureLaw(markdown: string): ArchitectureLaw {
  const lines = markdown.split('\n');
  const header = lines.findIndex((line) => cells(line).join('|') === 'room|may import|touches the world in');
  if (header < 0) throw new Error('there is no table "room | may import | touches the world in"');
  const law = new Map<string, RoomLaw>();
  for (const line of lines.slice(header + 2)) {
    if (!line.startsWith('|')) break;
    const [room = '', mayImport = '', worldIn = ''] = cells(line);
    const [name] = names(room);
    if (name === undefined) throw new Error(`no room is named in: ${line}`);
    if (law.has(name)) throw new Error(`${name} stands in the table twice`);
    law.set(name, {
      mayImport: cellOf(mayImport, 'nothing', 'anything'),
      worldIn: cellOf(worldIn, 'nowhere', 'anywhere'),
    });
  }
  return law;
}

function cells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function names(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

function cellOf<Everything extends string>(
  cell: string,
  none: string,
  everything: Everything,
): readonly string[] | Everything {
  if (cell === none) return [];
  if (cell === everything) return everything;
  const named = names(cell);
  if (named.length === 0)
    throw new Error(`"${cell}" names nothing, and is neither ${none} nor ${everything}`);
  return named;
}
