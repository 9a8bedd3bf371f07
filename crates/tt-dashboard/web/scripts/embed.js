// After the build: compresses the files of `dist`, and writes the table of them for the crate, so that cargo needs no build
// script. `node scripts/embed.js --check DIR` compares `dist` with another build in its place.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";

const DIST = join(import.meta.dirname, "../../dist");
const TABLE = join(import.meta.dirname, "../../src/table.rs");
/** The description of the API, which is sent compressed as the files of the page are. */
const API = "openapi.json";
const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
};

/** Versions of zlib and brotli compress differently, so that compressed files are compared by what is in them. */
const UNPACK = { br: brotliDecompressSync, gz: gunzipSync };

function files(directory) {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => relative(directory, path))
    .sort();
}

function extension(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Puts the description of the API beside the built files, without the blanks between its parts, as the server prints it. */
function describe(directory) {
  const text = readFileSync(join(import.meta.dirname, "..", API), "utf8");
  const parts = /"(?:[^"\\]|\\.)*"|[^\s"]+/g;
  writeFileSync(join(directory, API), text.match(parts).join(""));
}

function compress() {
  for (const name of files(DIST)) {
    const path = join(DIST, name);
    const bytes = readFileSync(path);
    const quality = {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    };
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, quality));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

/** A line of the table, which `include_bytes!` fills at compile time. */
function row(name) {
  const hash = createHash("sha256")
    .update(readFileSync(join(DIST, name)))
    .digest("hex")
    .slice(0, 20);
  const type = TYPES[extension(name)];
  if (type === undefined) throw new Error(`${name} has no content type: give it one in scripts/embed.js`);
  return `    asset!(${JSON.stringify(name)}, ${JSON.stringify(type)}, ${JSON.stringify(hash)}),\n`;
}

function table() {
  const rows = files(DIST)
    .filter((name) => UNPACK[extension(name)] === undefined)
    .map(row);
  return `//! The files of the page. \`cargo xtask web\` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
${rows.join("")}];
`;
}

function embed() {
  describe(DIST);
  compress();
  writeFileSync(TABLE, table());
  const sizes = files(DIST)
    .filter((name) => name.endsWith(".br"))
    .map((name) => statSync(join(DIST, name)).size);
  console.log(`dist: ${sizes.length} files, ${sizes.reduce((sum, size) => sum + size, 0)} bytes with brotli`);
}

/** The files of `dist` that another build would make otherwise. */
function differences(built) {
  describe(built);
  const sources = files(DIST).filter((name) => UNPACK[extension(name)] === undefined);
  const wrong = [...new Set([...sources, ...files(built)])].filter((name) => !same(name, join(built, name)));
  return readFileSync(TABLE, "utf8") === table() ? wrong : [...wrong, relative(process.cwd(), TABLE)];
}

function same(name, built) {
  const path = join(DIST, name);
  if (!existsSync(path) || !existsSync(built)) return false;
  const bytes = readFileSync(built);
  const packed = Object.entries(UNPACK).map(([ending, unpack]) => unpack(readFileSync(`${path}.${ending}`)));
  return [readFileSync(path), ...packed].every((other) => bytes.equals(other));
}

const [flag, built] = process.argv.slice(2);
if (flag === undefined) embed();
else if (flag === "--check" && built !== undefined) {
  const wrong = differences(built);
  if (wrong.length > 0) {
    console.error(`dist is not what the source builds: ${wrong.join(", ")}. Run: cargo xtask web`);
    process.exitCode = 1;
  }
} else throw new Error("node scripts/embed.js [--check DIR]");
