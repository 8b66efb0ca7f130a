import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** `tidy` reads the tree itself (import directions, requirements); everything else runs the code. */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'code',
          testTimeout: 60_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/tidy/**'],
        },
      },
      { test: { name: 'tidy', include: ['test/tidy/**/*.test.ts'] } },
    ],
  },
});

export default config;
