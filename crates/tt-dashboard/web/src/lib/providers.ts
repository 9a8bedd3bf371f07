import type { Provider, ProviderKey } from "../api/types";

export const PROVIDERS: readonly { value: Provider; text: string }[] = [
  { value: "openai", text: "OpenAI" },
  { value: "anthropic", text: "Anthropic" },
  { value: "gemini", text: "Gemini" },
];

export function providerTitle(provider: Provider): string {
  return PROVIDERS.find(({ value }) => value === provider)?.text ?? provider;
}

/** The name of a stored key: its label, or its number. */
export function providerKeyName(key: Pick<ProviderKey, "id" | "label" | "provider">): string {
  return `${providerTitle(key.provider)} · ${key.label ?? `key ${key.id}`}`;
}
