import { defineConfig } from "vitest/config";

// The API that `npm run dev` talks to.
const API = "http://127.0.0.1:8080";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    // The policy of the page allows no inline script and no `data:` address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(["/auth", "/manage", "/v1", "/openapi.json"].map((path) => [path, API])),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
