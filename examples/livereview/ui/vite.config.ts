import { defineConfig } from "vite";

export default defineConfig({
  build: {
    // The Content-Security-Policy of the server allows no data: addresses.
    assetsInlineLimit: 0,
    // Sizes of compressed files would cost time in each build and are of no use here.
    reportCompressedSize: false,
  },
  server: {
    // `npm run dev` beside `go -C server run .` gives the page with live reload.
    proxy: { "/api": "http://127.0.0.1:8888" },
  },
});
