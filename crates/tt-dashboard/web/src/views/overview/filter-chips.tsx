import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import { dimensionTitle, type Filters } from "../../lib/usage";
import { setQuery } from "../../state/router";
import { valueName } from "../../lib/names";

/** The filters in force, each with a button that takes it away. */
export function FilterChips({ filters, keys }: { filters: Filters; keys: readonly Exact<ApiKey>[] }) {
  if (filters.size === 0) return null;
  return (
    <div class="filters" role="group" aria-label="Filters">
      {[...filters].map(([dimension, value]) => {
        const text = `${dimensionTitle(dimension)}: ${valueName(dimension, value, keys)}`;
        return (
          <span key={dimension} class="chip" data-testid={`filter-${dimension}`}>
            {text}
            <button
              type="button"
              aria-label={`Take away the filter ${text}`}
              onClick={() => setQuery({ [dimension]: null })}
            >
              <span aria-hidden="true">×</span>
            </button>
          </span>
        );
      })}
    </div>
  );
}
