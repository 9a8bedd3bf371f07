import type { Alias } from "../../api/types";

/** An alias and the aliases that are tried after it, each once. */
export function chainOf(alias: Alias, all: readonly Alias[]): Alias[] {
  const chain: Alias[] = [];
  let next: Alias | undefined = alias;
  while (next !== undefined && !chain.includes(next)) {
    chain.push(next);
    const { fallback_alias_id: fallback }: Alias = next;
    next = all.find(({ id }) => id === fallback);
  }
  return chain;
}
