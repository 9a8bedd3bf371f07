// Writes `src/api/types.ts`, the types of the HTTP API, from `openapi.json`, the server's own description of it.
// `node scripts/types.js --check` compares in place of writing.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DOCUMENT = join(import.meta.dirname, "../openapi.json");
const TYPES = join(import.meta.dirname, "../src/api/types.ts");
const HEAD = `// The bodies of the HTTP API, as JSON has them: money is a number here. \`exact.ts\` makes the types that calls return from
// these. \`npm run types\` writes this file from \`openapi.json\`.
`;
const INDENT = "  ";
const PLAIN = { boolean: "boolean", integer: "number", null: "null", number: "number", string: "string" };

/** The type that a schema describes, for a place at a depth. */
function typeOf(schema, depth) {
  if (schema === true || Object.keys(schema).every((key) => key === "description")) return "unknown";
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return union(choices.map((choice) => typeOf(choice, depth)));
  if (schema.enum !== undefined) return union(schema.enum.map((value) => JSON.stringify(value)));
  return union([schema.type].flat().map((type) => typeNamed(type, schema, depth)));
}

function union(types) {
  return [...new Set(types)].join(" | ");
}

function typeNamed(type, schema, depth) {
  if (type === "array") {
    const item = typeOf(schema.items ?? true, depth);
    return item.includes(" | ") ? `(${item})[]` : `${item}[]`;
  }
  if (type !== "object") return PLAIN[type];
  if (schema.properties !== undefined) return objectOf(schema, depth);
  return `Record<string, ${typeOf(schema.additionalProperties ?? true, depth)}>`;
}

function objectOf({ properties, required = [] }, depth) {
  const fields = Object.entries(properties).flatMap(([name, schema]) => [
    ...comment(schema.description, depth + 1),
    `${INDENT.repeat(depth + 1)}${name}${required.includes(name) ? "" : "?"}: ${typeOf(schema, depth + 1)};`,
  ]);
  return ["{", ...fields, `${INDENT.repeat(depth)}}`].join("\n");
}

function comment(text, depth) {
  return text === undefined ? [] : [`${INDENT.repeat(depth)}/** ${text.replaceAll(/\s*\n\s*/g, " ")} */`];
}

function declaration([name, schema]) {
  const type = typeOf(schema, 0);
  const line = schema.type === "object" && schema.properties ? `interface ${name} ${type}` : `type ${name} = ${type};`;
  return [...comment(schema.description, 0), `export ${line}`, ""].join("\n");
}

const { schemas } = JSON.parse(readFileSync(DOCUMENT, "utf8")).components;
const text = [HEAD, ...Object.entries(schemas).map(declaration)].join("\n");
if (!process.argv.includes("--check")) {
  writeFileSync(TYPES, text);
} else if (readFileSync(TYPES, "utf8") !== text) {
  console.error("src/api/types.ts is not what openapi.json describes: run cargo xtask web");
  process.exit(1);
}
