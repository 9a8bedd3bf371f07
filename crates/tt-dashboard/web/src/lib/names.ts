import type { Exact } from "../api/exact";
import type { ApiKey } from "../api/types";
import type { Dimension } from "./usage";

/** The name of a value of a dimension. API keys are named by their names. */
export function valueName(dimension: Dimension, value: string | null, keys: readonly Exact<ApiKey>[]): string {
  if (dimension === "api_key") return keyName(value, keys);
  return value ?? "(none)";
}

/** The name of the API key of an id; without one, it was a session. */
export function keyName(value: string | null, keys: readonly Exact<ApiKey>[]): string {
  if (value === null) return "(session)";
  const key = keys.find(({ id }) => String(id) === value);
  return key === undefined ? `key ${value}` : (key.name ?? key.prefix);
}
