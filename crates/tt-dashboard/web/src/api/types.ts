// The bodies of the HTTP API, as JSON has them: money is a number here. `exact.ts` makes the types that calls return from
// these.

export type Provider = "openai" | "anthropic" | "gemini";
export type Role = "user" | "admin";
export type Scope = "proxy" | "manage";
export type Period = "day" | "month" | "total";
export type Route = "primary" | "light" | "fallback";
export type Outcome = "ok" | "error" | "cancelled" | "interrupted";
export type UsageSource = "provider" | "partial" | "estimated" | "unknown" | "none";

export interface ErrorBody {
  error: { message: string; type: string; code: string | null; param: string | null };
}

export interface Credentials {
  email: string;
  password: string;
}

export interface SignedIn {
  token: string;
  expires_at: string;
}

export interface Me {
  id: number;
  email: string;
  role: Role;
  rate_limit_minute: number;
  rate_limit_daily: number;
  created_at: string;
}

export interface SessionInfo {
  id: number;
  created_at: string;
  last_used_at: string | null;
  expires_at: string;
  current: boolean;
}

export interface PasswordChange {
  current_password: string;
  new_password: string;
}

export interface NewApiKey {
  name?: string;
  expires_in_days?: number | null;
  scopes?: Scope[];
  allowed_aliases?: string[];
  rate_limit_minute?: number;
  rate_limit_daily?: number;
  budget_usd?: number;
  budget_period?: Period;
}

export interface CreatedApiKey {
  token: string;
  id: number;
  name: string | null;
  prefix: string;
  expires_at: string | null;
}

export interface ApiKey {
  id: number;
  name: string | null;
  prefix: string;
  scopes: Scope[];
  allowed_aliases: string[] | null;
  rate_limit_minute: number;
  rate_limit_daily: number;
  budget_usd: number | null;
  budget_period: Period | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface Limit {
  rule: string;
  limit: number;
  remaining: number;
  resets_at: string | null;
}

export interface KeyStanding {
  limits: Limit[];
}

export interface NewProviderKey {
  provider: Provider;
  api_key: string;
  label?: string;
  base_url?: string;
}

export interface ProviderKey {
  id: number;
  provider: Provider;
  label: string | null;
  base_url: string | null;
  created_at: string;
}

export interface ProviderKeyPatch {
  label?: string | null;
  api_key?: string;
  base_url?: string | null;
}

export interface ProviderTest {
  ok: boolean;
  status: number | null;
  latency_ms: number;
  message: string;
}

export interface AliasWish {
  alias: string;
  target_model: string;
  provider_key_id: number;
  fallback_alias_id: number;
  use_light_model: boolean;
  light_model_threshold: number;
  light_model: string;
}

export interface Alias {
  id: number;
  alias: string;
  target_model: string;
  provider_key_id: number;
  provider: Provider;
  fallback_alias_id: number | null;
  use_light_model: boolean;
  light_model_threshold: number;
  light_model: string | null;
  created_at: string;
}

export interface RouteQuestion {
  model: string;
  messages: { role: "system" | "user"; content: string }[];
  max_tokens?: number;
}

export interface PlannedStep {
  alias: string;
  route: Route;
  provider: Provider;
  model: string;
  reason: string;
}

export interface RouteDecision extends PlannedStep {
  input_tokens: number;
  chain: PlannedStep[];
  estimated_cost_usd: number | null;
  alternatives: { alias: string; model: string; estimated_cost_usd: number | null }[];
}

export interface Tokens {
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
}

export interface UsageSums extends Tokens {
  requests: number;
  cost_usd: number | null;
  saved_usd: number;
  errors: number;
  cancelled: number;
}

export interface LogRow extends Tokens {
  request_id: string;
  created_at: string;
  alias: string;
  route: Route | null;
  provider: Provider | null;
  model: string | null;
  api_key_id: number | null;
  stream: boolean;
  status: number | null;
  outcome: Outcome;
  dialect: string;
  client: string | null;
  session: string | null;
  agent: string | null;
  trace_id: string | null;
  usage_source: UsageSource;
  cost_usd: number | null;
  saved_usd: number;
  latency_ms: number;
  first_token_ms: number | null;
  attempts: number;
  error: string | null;
  tags: Record<string, string>;
}

export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
}

export interface Note {
  param: string;
  what: "dropped" | "changed";
  why: string;
}

export interface CostLine {
  class: string;
  tokens: number;
  usd_per_million: number;
  usd: number;
}

export interface Attempt extends Omit<PlannedStep, "reason"> {
  served_model: string | null;
  status: number | null;
  error: string | null;
  latency_ms: number | null;
  usage_source: UsageSource;
  usage: Tokens;
  cost_usd: number | null;
}

export interface LogDetail extends LogRow {
  route_reason: string;
  chain: PlannedStep[];
  usage_raw: unknown;
  price_version: string | null;
  notes: Note[];
  cost_lines: CostLine[];
  attempt_list: Attempt[];
}

export interface GapRow {
  request_id: string;
  created_at: string;
  alias: string;
  provider: Provider | null;
  model: string | null;
  api_key_id: number | null;
  status: number | null;
  outcome: Outcome;
  usage_source: UsageSource;
  cost_usd: number | null;
  error: string | null;
}

export interface Gaps {
  open: number;
  interrupted: GapRow[];
  unknown_usage: GapRow[];
  unpriced: GapRow[];
  journal: { pending: number; oldest: string | null };
}

export interface PricesPerMillion {
  input: number | null;
  output: number | null;
  cache_read: number | null;
  cache_write_5m: number | null;
  cache_write_1h: number | null;
}

export interface Price {
  provider: Provider;
  model: string;
  usd_per_million: PricesPerMillion;
  override: boolean;
  effective_from: string | null;
}

export interface PriceList {
  version: string;
  as_of: string;
  prices: Price[];
}

export interface PriceWish {
  usd_per_million: Partial<PricesPerMillion>;
  effective_from?: string;
}

export interface RerateWish {
  from: string;
  to: string;
  dry_run: boolean;
}

export interface Rerated {
  models: { provider: string; model: string; requests: number; before_usd: number; after_usd: number }[];
  before_usd: number;
  after_usd: number;
}

export interface WhatIf extends Tokens {
  requests: number;
  cost_usd: number | null;
  unpriced: number;
  model: string;
  whatif_cost_usd: number | null;
  whatif_unpriced: number;
}

export interface BudgetWish {
  limit_usd: number | null;
  period?: Period;
}

export interface Budget {
  limit_usd: number | null;
  period: Period | null;
  spent_usd: number | null;
  held_usd: number | null;
  resets_at: string | null;
}

export interface Budgets extends Budget {
  admin: Budget;
}

export interface User {
  id: number;
  email: string;
  role: Role;
  disabled: boolean;
  rate_limit_minute: number;
  rate_limit_daily: number;
  budget_usd: number | null;
  budget_period: Period | null;
  created_at: string;
}

export interface UserPatch {
  role?: Role;
  disabled?: boolean;
  rate_limit_minute?: number;
  rate_limit_daily?: number;
  budget_usd?: number | null;
  budget_period?: Period;
}

export interface AuditEntry {
  at: string;
  actor: string | null;
  action: string;
  object: string | null;
  detail: string | null;
  address: string | null;
}
