import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import type { Dimension } from "../../lib/usage";

/** The name of a value of a dimension. API keys are named by their names. */
export function valueName(dimension: Dimension, value: string | null, keys: readonly Exact<ApiKey>[]): string {
  if (value === null) return dimension === "api_key" ? "(session)" : "(none)";
  if (dimension !== "api_key") return value;
  const key = keys.find(({ id }) => String(id) === value);
  return key === undefined ? `key ${value}` : (key.name ?? key.prefix);
}
