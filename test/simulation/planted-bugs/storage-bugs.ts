// Mistakes of storage servers and of the client that stores files on many of them.

import type { PlantedBug } from '../planted-bug.ts';

const UPLOAD = 'src/storage/upload.ts';
const SHARE_FOLDER = 'src/storage/share-folder.ts';
const DISK_SERVER = 'src/storage/disk-server.ts';

export const STORAGE_BUGS: readonly PlantedBug[] = [
  {
    name: 'no-fsync',
    story: 'a share is acknowledged before its bytes are on the disk',
    edits: [{ file: UPLOAD, find: 'await file.sync();', replace: '' }],
    foundBy: 'acknowledged-share',
    withinSeeds: 20,
    workload: 'grid',
  },
  {
    name: 'no-fsync-of-the-folder',
    story: 'a share is acknowledged before its name is on the disk',
    edits: [
      {
        file: SHARE_FOLDER,
        find: 'this.#files.syncFolder(this.#finishedFolder(share.storageIndexText)),',
        replace: '',
      },
    ],
    foundBy: 'acknowledged-share',
    withinSeeds: 20,
    workload: 'grid',
  },
  {
    name: 'rename-before-write',
    story: 'a share gets its final name before it is complete',
    edits: [
      {
        file: UPLOAD,
        find: "await this.#orEnd('finishing', () => this.#writeContainer(lease));",
        replace: "await this.#orEnd('finishing', () => this.#host.folder.finish(this.share));",
      },
      {
        file: UPLOAD,
        find: "signal?.throwIfAborted();\n      await this.#orEnd('finishing', () => this.#host.folder.finish(this.share));",
        replace: "await this.#orEnd('finishing', () => this.#writeContainer(lease));",
      },
    ],
    foundBy: 'half-share',
    withinSeeds: 40,
    workload: 'grid',
    faults: ['power-cuts'],
  },
  {
    name: 'leftovers-kept',
    story: 'a restarted server leaves half-written shares where they are',
    edits: [{ file: SHARE_FOLDER, find: 'await removeContents(this.#files, incoming);', replace: '' }],
    foundBy: 'nothing-half-written',
    withinSeeds: 40,
    workload: 'grid',
    faults: ['power-cuts', 'server-crashes'],
  },
  {
    name: 'idle-upload-kept',
    story: 'an upload of which nothing is heard any more is held for ever',
    edits: [
      {
        file: DISK_SERVER,
        find: 'if (restMs > 0) {',
        replace: 'if (restMs <= 0) return;\n    if (restMs > 0) {',
      },
    ],
    foundBy: 'nothing-half-written',
    withinSeeds: 40,
    workload: 'grid',
    faults: ['client-crashes'],
  },
  {
    name: 'upload-secret-not-checked',
    story: 'anybody may write into an upload that is under way',
    edits: [
      {
        file: DISK_SERVER,
        find: 'if (!entry.upload.isHeldBy(uploadSecret)) {',
        replace: 'if (entry.upload.isHeldBy(uploadSecret) === undefined) {',
      },
    ],
    foundBy: 'upload-secret',
    withinSeeds: 20,
    workload: 'grid',
  },
  {
    name: 'file-left-open',
    story: 'the file of a share that was read stays open',
    edits: [
      {
        file: DISK_SERVER,
        find: 'await file.close().catch(() => {});',
        replace: '',
      },
    ],
    foundBy: 'nothing-left',
    withinSeeds: 20,
    workload: 'grid',
  },
  {
    name: 'hedge-not-cancelled',
    story: 'reads that have lost against a quicker server go on',
    edits: [
      {
        file: 'src/grid/segment-fetch.ts',
        find: "if (!attempt.isProbe) attempt.controller.abort(new Error('enough other blocks came first'));",
        replace: '',
      },
    ],
    foundBy: 'nothing-after-the-end',
    withinSeeds: 150,
    workload: 'grid',
    faults: ['spikes', 'stalls'],
  },
];
