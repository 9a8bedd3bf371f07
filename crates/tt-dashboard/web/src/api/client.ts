// The way of every call: the token, the query, exact JSON both ways, and errors as `ApiProblem`.

import { sessionEnded, token } from "../state/session";
import type { Exact } from "./exact";
import { formatJson, parseJson, type Json } from "./json";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Record<string, string | number | undefined>;

export interface CallOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** A call that failed: what the server said, or why it could not be asked. */
export class ApiProblem extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    readonly code: string | null = null,
    /** The field of the body that was wrong. */
    readonly param: string | null = null,
    readonly requestId: string | null = null,
  ) {
    super(message);
    this.name = "ApiProblem";
  }
}

/** Calls the API and returns the body of the answer; `null` for an answer without one. */
export async function call<T>(method: Method, path: string, options: CallOptions = {}): Promise<Exact<T>> {
  const response = await send(method, path, options);
  const text = await response.text();
  const body = read(text);
  if (response.ok) return body as Exact<T>;
  const problem = problemOf(response, body);
  if (response.status === 401 && token.peek() !== null) sessionEnded();
  throw problem;
}

/** The path with its query. Parameters without a value are left out. */
export function address(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

async function send(method: Method, path: string, { query, body, signal }: CallOptions): Promise<Response> {
  const headers = new Headers({ accept: "application/json" });
  const bearer = token.peek();
  if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  try {
    return await fetch(address(path, query), {
      method,
      headers,
      body: body === undefined ? null : formatJson(body),
      signal: signal ?? null,
      credentials: "omit",
      cache: "no-store",
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiProblem("The server could not be reached. Check that it is running, then try again.", 0);
  }
}

function read(text: string): Json {
  if (text === "") return null;
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function problemOf(response: Response, body: Json): ApiProblem {
  const error = field(body, "error");
  const message = asText(field(error, "message")) ?? `The server answered with status ${response.status}.`;
  const wait = response.headers.get("retry-after");
  const again = wait !== null && response.status === 429 ? ` Try again in ${wait} s.` : "";
  return new ApiProblem(
    message + again,
    response.status,
    asText(field(error, "code")),
    asText(field(error, "param")),
    response.headers.get("x-request-id"),
  );
}

function field(value: Json | undefined, name: string): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}

function asText(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}
