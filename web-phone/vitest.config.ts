import { defineConfig } from "vitest/config";

// The tests need no browser: what touches one is kept thin, and is looked at with test/look.mjs.
export default defineConfig({ test: { environment: "node", include: ["test/*.test.ts"], css: true } });
