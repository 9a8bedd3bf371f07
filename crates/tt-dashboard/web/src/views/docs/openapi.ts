// The description of the API, as far as the reference shows it.

export interface Operation {
  method: string;
  path: string;
  summary: string;
  statuses: string[];
}

export interface ApiDocument {
  version: string;
  operations: Operation[];
}

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Loads the description; null where the server has none. */
export async function loadReference(signal: AbortSignal): Promise<ApiDocument | null> {
  const response = await fetch("/openapi.json", { signal, credentials: "omit" });
  if (!response.ok || !(response.headers.get("content-type") ?? "").includes("json")) return null;
  return readDocument(await response.json());
}

/** Reads the operations of an OpenAPI document. */
export function readDocument(document: unknown): ApiDocument {
  const paths = Object.entries(asObject(asObject(document).paths));
  const operations = paths.flatMap(([path, item]) =>
    METHODS.filter((method) => method in asObject(item)).map((method) => {
      const operation = asObject(asObject(item)[method]);
      return {
        method: method.toUpperCase(),
        path,
        summary: asText(operation.summary) || asText(operation.description),
        statuses: Object.keys(asObject(operation.responses)),
      };
    }),
  );
  return { version: asText(asObject(asObject(document).info).version), operations };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
