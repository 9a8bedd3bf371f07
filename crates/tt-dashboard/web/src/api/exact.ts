// The bodies of the API as this program has them: money is nano-dollars, as `json.ts` reads and writes it.

import type { Nano } from "../lib/money";

type MoneyField = `${string}_usd` | "usd" | "usd_per_million" | "cost_by_class";

/** The type of a body with its money as integers. */
export type Exact<T> = T extends (infer Item)[]
  ? Exact<Item>[]
  : T extends object
    ? { [Field in keyof T]: Field extends MoneyField ? AsMoney<T[Field]> : Exact<T[Field]> }
    : T;

type AsMoney<T> = T extends number ? Nano : T extends object ? { [Field in keyof T]: AsMoney<T[Field]> } : T;
