// The filters of a view: those in force, each with a button that takes it away, and a form for one more. They are kept in
// the address, and the server applies them.

import { useState } from "preact/hooks";
import { apiKeys, ledger, type Filters, type Span } from "../api/calls";
import type { Exact } from "../api/exact";
import type { ApiKey } from "../api/types";
import { keyName, valueName } from "../lib/names";
import { PROVIDERS } from "../lib/providers";
import { FILTERS } from "../lib/usage";
import { setQuery } from "../state/router";
import { useResource } from "../state/resource";
import { Button } from "./button";
import { SelectField, TextField } from "./field";

/** The values of filters that have few. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  provider: PROVIDERS.map(({ value }) => value),
  route: ["primary", "light", "fallback"],
  dialect: ["openai_chat", "anthropic_messages", "gemini", "openai_responses", "openai_embeddings"],
  outcome: ["ok", "error", "cancelled", "interrupted"],
};

interface FilterBarProps {
  filters: Filters;
  /** The range, whose tags are offered. */
  span: Span;
  /** A filter that is not offered, since the view is one. */
  without?: string;
}

/** Other filters begin with the first page. */
const change = (name: string, value: string | null) => setQuery({ [name]: value, cursor: null });

export function FilterBar({ filters, span, without = "" }: FilterBarProps) {
  const [name, setName] = useState("alias");
  const needsKeys = name === "api_key" || filters.has("api_key");
  const keys = useResource(String(needsKeys), (signal) => (needsKeys ? apiKeys.list(signal) : Promise.resolve([])));
  return (
    <div class="filters" role="group" aria-label="Filters" data-testid="filters">
      {[...filters]
        .filter(([filter]) => filter !== without)
        .map(([filter, value]) => (
          <Chip key={filter} name={filter} value={value} keys={keys.data ?? []} />
        ))}
      <NewFilter key={name} name={name} onName={setName} span={span} without={without} keys={keys.data ?? []} />
    </div>
  );
}

function Chip({ name, value, keys }: { name: string; value: string; keys: readonly Exact<ApiKey>[] }) {
  const text = `${FILTERS[name] ?? name}: ${shown(name, value, keys)}`;
  return (
    <span class="chip" data-testid={`filter-${name}`}>
      {text}
      <button type="button" aria-label={`Take away the filter ${text}`} onClick={() => change(name, null)}>
        <span aria-hidden="true">×</span>
      </button>
    </span>
  );
}

function shown(name: string, value: string, keys: readonly Exact<ApiKey>[]): string {
  if (name === "tag") return value.endsWith("=") ? `no ${value.slice(0, -1)}` : value;
  return valueName(name, value === "" ? null : value, keys);
}

interface NewFilterProps {
  name: string;
  onName: (name: string) => void;
  span: Span;
  without: string;
  keys: readonly Exact<ApiKey>[];
}

function NewFilter({ name, onName, span, without, keys }: NewFilterProps) {
  const [value, setValue] = useState("");
  const names = Object.keys(FILTERS).filter((filter) => filter !== without);
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        if (value.trim() === "") return;
        change(name, value.trim());
        setValue("");
      }}
    >
      <SelectField
        label="Filter by"
        hideLabel
        value={name}
        options={names.map((filter) => ({ value: filter, text: FILTERS[filter] ?? filter }))}
        testId="filter-name"
        onValue={onName}
      />
      <FilterValue name={name} value={value} onValue={setValue} span={span} keys={keys} />
      <Button type="submit" testId="filter-add">
        Filter
      </Button>
    </form>
  );
}

interface FilterValueProps {
  name: string;
  value: string;
  onValue: (value: string) => void;
  span: Span;
  keys: readonly Exact<ApiKey>[];
}

/** The value: one of a few, or a text. */
function FilterValue({ name, value, onValue, span, keys }: FilterValueProps) {
  const tags = useResource(name === "tag" ? JSON.stringify(span) : "", (signal) =>
    name === "tag" ? ledger.tags(span, signal) : Promise.resolve([]),
  );
  const field = {
    label: `Value of the filter by ${(FILTERS[name] ?? name).toLowerCase()}`,
    hideLabel: true,
    value,
    onValue,
    testId: "filter-value",
  };
  const words = WORDS[name]?.map((word) => ({ value: word, text: word }));
  const options =
    name === "api_key" ? keys.map(({ id }) => ({ value: String(id), text: keyName(String(id), keys) })) : words;
  if (options !== undefined) return <SelectField {...field} options={[{ value: "", text: "Choose…" }, ...options]} />;
  if (name !== "tag") return <TextField {...field} placeholder={name === "status" ? "As 200" : "Value"} />;
  const pairs = (tags.data ?? []).flatMap((tag) => tag.values.map((text) => `${tag.name}=${text}`));
  return <TextField {...field} placeholder="As team=search" suggestions={pairs} />;
}
