// The bodies of the HTTP API, as JSON has them: money is a number here. `exact.ts` makes the types that calls return from
// these. `npm run types` writes this file from `openapi.json`.

/** The kinds of alerts. */
export type AlertEvent = "budget.threshold" | "budget.refused" | "key.expiring" | "price.missing" | "ledger.gap" | "target.open" | "journal.behind";

export interface Alias {
  id: AliasId;
  alias: AliasName;
  target_model: string;
  provider_key_id: ProviderKeyId;
  provider: Provider;
  fallback_alias_id: AliasId | null;
  use_light_model: boolean;
  light_model_threshold: number;
  light_model: ModelName | null;
  created_at: string;
}

/** An alias: a name that stands for a provider key and a model. */
export type AliasId = number;

/** The name of an alias: `A-Za-z0-9._:-`, and one `*` at the end if it catches every name that begins like it; 1 to 255 characters in all. */
export type AliasName = string;

export interface AliasPatch {
  alias?: string | null;
  target_model?: string | null;
  provider_key_id?: number | null;
  fallback_alias_id?: number | null;
  use_light_model?: boolean | null;
  light_model_threshold?: number | null;
  light_model?: string | null;
}

export interface AliasWish {
  alias: string;
  target_model: string;
  provider_key_id: number;
  fallback_alias_id?: number | null;
  use_light_model?: boolean | null;
  light_model_threshold?: number | null;
  light_model?: string | null;
}

/** [The model object](https://docs.anthropic.com/en/api/models-list) of Anthropic. */
export interface AnthropicModel {
  type: string;
  id: string;
  display_name: string;
  created_at: string;
}

/** A page of Anthropic's list. */
export interface AnthropicModels {
  data: AnthropicModel[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}

export interface ApiKey {
  id: ApiKeyId;
  name: Label | null;
  prefix: string;
  scopes: Scope[];
  allowed_aliases: AliasName[] | null;
  rate_limit_minute: number;
  rate_limit_daily: number;
  budget_usd: number | null;
  budget_period: Period | null;
  budget_soft: boolean;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

/** An API key of TokenTracer's own (`tt-…`). */
export type ApiKeyId = number;

export interface Attempt {
  alias: string;
  route: Route;
  provider: Provider;
  model: string;
  served_model: string | null;
  status: number | null;
  error: string | null;
  started_at: string;
  latency_ms: number | null;
  usage_source: UsageSource;
  usage: Tokens;
  cost_usd: number | null;
}

export interface AuditEntry {
  at: string;
  actor: string | null;
  action: string;
  object: string;
  detail: string;
  address: string | null;
}

export interface AuditPage {
  data: AuditEntry[];
  next_cursor: string | null;
}

/** The address of a provider's API: `http` or `https`, a host, no credentials, query or fragment; no trailing slash. This type allows private addresses: the code that saves an address and the code that connects to it decide about those. */
export type BaseUrl = string;

/** A budget and its usage, which is `null` if it is not known. Every field is `null` if there is no budget. */
export interface Budget {
  limit_usd: number | null;
  period: Period | null;
  /** True if the budget warns and refuses nothing. */
  soft: boolean | null;
  spent_usd: number | null;
  held_usd: number | null;
  /** The end of the period. It is `null` for `total`, which never ends. */
  resets_at: string | null;
}

export interface BudgetStanding {
  scope: string;
  limit_usd: number;
  period: Period;
  /** True if the budget warns and refuses nothing. */
  soft: boolean;
  /** `null` while it is not known. */
  spent_usd: number | null;
  held_usd: number | null;
  resets_at: string | null;
}

export interface BudgetWish {
  limit_usd?: number | null;
  period?: Period | null;
  /** True to have the budget warn and refuse nothing. */
  soft?: boolean | null;
}

export interface Budgets {
  limit_usd: number | null;
  period: Period | null;
  soft: boolean | null;
  spent_usd: number | null;
  held_usd: number | null;
  resets_at: string | null;
  admin: Budget;
  /** Those of API keys that work, in the order of their ids. */
  api_keys: KeyBudget[];
}

/** A target of the chain, with its state. */
export interface ChainStep {
  alias: string;
  route: Route;
  provider: Provider;
  model: string;
  reason: string;
  state: TargetState;
  /** The end of the target's rest; null if it is closed. */
  until: string | null;
}

/** The treatment of a parameter that the target cannot express. */
export type Change = "dropped" | "changed";

/** The parts of a cost by class. They add up to it: each request's cost is rounded once, and its parts are cut to whole nano-dollars; those that are then missing go to the parts that were cut the most. */
export interface CostByClass {
  /** Input that was neither read from a cache nor written to one. */
  input: number;
  /** Input that was read from a cache. */
  cached_input: number;
  /** Input that was written to a cache. */
  cache_write: number;
  /** Output, reasoning included. */
  output: number;
  /** Services beside tokens, as searches of the web. */
  fees: number;
  /** The cost of requests that were recorded by versions that kept no classes. An administrator's rating them again fills them in. */
  unclassified: number;
}

export interface CostLine {
  class: string;
  tokens: number;
  usd_per_million: number;
  usd: number;
}

export interface Created {
  message: string;
  id: UserId;
}

export interface CreatedApiKey {
  token: string;
  id: ApiKeyId;
  name: Label | null;
  prefix: string;
  expires_at: string | null;
}

/** An email and a password. */
export interface Credentials {
  email: string;
  password: string;
}

/** An alert on its way to a webhook. */
export type DeliveryId = number;

/** The state of a delivery. */
export type DeliveryStatus = "pending" | "delivered" | "failed";

/** An e-mail address, trimmed and lower-cased, so that equal addresses compare equal. */
export type Email = string;

export interface GapRow {
  request_id: string;
  created_at: string;
  alias: string;
  provider: Provider | null;
  model: string | null;
  api_key_id: ApiKeyId | null;
  status: number | null;
  outcome: Outcome;
  usage_source: UsageSource;
  cost_usd: number | null;
  error: string | null;
}

export interface Gaps {
  /** The caller's requests that this process has admitted and not yet stored: they are being served, or are settled and wait. Not counted are those of other processes, and those in a journal that a dead process left and that has not been read yet. */
  open: number;
  interrupted: GapRow[];
  unknown_usage: GapRow[];
  unpriced: GapRow[];
  journal: Journal;
}

/** [The model resource](https://ai.google.dev/api/models#Model). The limits are those of the target, in tokens; a model that the price table does not list has none. */
export interface GeminiModel {
  name: string;
  displayName: string;
  inputTokenLimit?: number | null;
  outputTokenLimit?: number | null;
  supportedGenerationMethods: string[];
}

export interface GeminiModels {
  models: GeminiModel[];
}

/** The requests of all callers that this process has settled and not yet stored. All callers are counted, since a caller's own settlements wait behind the others. */
export interface Journal {
  pending: number;
  /** The time when the request that waits longest was settled, to the second. */
  oldest: string | null;
}

/** A budget and its usage, which is `null` if it is not known. Every field is `null` if there is no budget. */
export interface KeyBudget {
  api_key_id: ApiKeyId;
  limit_usd: number | null;
  period: Period | null;
  /** True if the budget warns and refuses nothing. */
  soft: boolean | null;
  spent_usd: number | null;
  held_usd: number | null;
  /** The end of the period. It is `null` for `total`, which never ends. */
  resets_at: string | null;
}

export interface KeyStanding {
  /** The id of the API key or of the session. */
  id: number;
  name: Label | null;
  prefix: string | null;
  scopes: Scope[];
  expires_at: string | null;
  limits: Limit[];
  budgets: BudgetStanding[];
  usage: KeyUsage;
}

export interface KeyUsage {
  today: KeyUsageSums;
  month: KeyUsageSums;
}

export interface KeyUsageSums {
  requests: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
}

/** A label a user gives a key: 1 to 100 characters, none of them control characters. */
export type Label = string;

export interface Limit {
  rule: string;
  limit: number;
  remaining: number;
  /** The time at which `remaining` grows; `null` while nothing is used. */
  resets_at: string | null;
}

/** Token counts as the API names them. */
export interface LogDetail {
  request_id: string;
  created_at: string;
  alias: string;
  route: Route | null;
  provider: Provider | null;
  model: string | null;
  api_key_id: ApiKeyId | null;
  stream: boolean;
  status: number | null;
  outcome: Outcome;
  dialect: string;
  client: string | null;
  session: string | null;
  agent: string | null;
  trace_id: string | null;
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  usage_source: UsageSource;
  cost_usd: number | null;
  saved_usd: number;
  latency_ms: number;
  first_token_ms: number | null;
  attempts: number;
  error: string | null;
  tags: Tags;
  route_reason: string;
  chain: PlannedStep[];
  usage_raw: unknown;
  price_version: string | null;
  /** The things that the targets could not express, over all attempts: each thing once. */
  notes: Note[];
  /** The lines that add up to the cost. It is empty where no cost is known, and where prices have changed since. */
  cost_lines: CostLine[];
  attempt_list: Attempt[];
}

export interface LogPage {
  data: LogRow[];
  next_cursor: string | null;
}

/** Token counts as the API names them. */
export interface LogRow {
  request_id: string;
  created_at: string;
  alias: string;
  route: Route | null;
  provider: Provider | null;
  model: string | null;
  api_key_id: ApiKeyId | null;
  stream: boolean;
  status: number | null;
  outcome: Outcome;
  dialect: string;
  client: string | null;
  session: string | null;
  agent: string | null;
  trace_id: string | null;
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  usage_source: UsageSource;
  cost_usd: number | null;
  saved_usd: number;
  latency_ms: number;
  first_token_ms: number | null;
  attempts: number;
  error: string | null;
  tags: Tags;
}

export interface Me {
  id: UserId;
  email: Email;
  role: Role;
  rate_limit_minute: number;
  rate_limit_daily: number;
  created_at: string;
}

/** The memory that requests hold, with the thinking that is kept between two of them, and the most that they may hold. */
export interface Memory {
  held_bytes: number;
  max_bytes: number;
}

/** A provider's name of a model: 1 to 255 visible ASCII characters but quotes, `\\`, `?` and `%`; no part between slashes is empty, `.` or `..`. Slashes and colons are part of real names (`ft:gpt-4o:org::id`, `models/gemini-2.5-pro` on compatible hosts). */
export type ModelName = string;

/** Models by provider. A provider for which the caller has no key has none. */
export interface ModelsByProvider {
  openai: string[];
  anthropic: string[];
  gemini: string[];
}

export interface NewApiKey {
  name?: string | null;
  expires_in_days?: number | null;
  scopes?: Scope[] | null;
  allowed_aliases?: string[] | null;
  rate_limit_minute?: number | null;
  rate_limit_daily?: number | null;
  budget_usd?: number | null;
  budget_period?: Period | null;
  /** True to have the budget warn and refuse nothing. */
  budget_soft?: boolean | null;
}

export interface NewProviderKey {
  provider: Provider;
  api_key: string;
  label?: string | null;
  base_url?: string | null;
}

export interface NewWebhook {
  url: string;
  events: AlertEvent[];
  label?: string | null;
  active?: boolean | null;
  /** `installation`, for administrators: events of all users together. */
  scope?: WebhookScope | null;
}

/** A part of a request that was not sent to a target as the client wrote it. */
export interface Note {
  /** The parameter, as the client wrote it. */
  param: string;
  /** The treatment: left out, or changed. */
  what: Change;
  /** The reason, in words; empty where there is nothing more to say. */
  why: string;
}

/** [The model object](https://platform.openai.com/docs/api-reference/models/object) of OpenAI. */
export interface OpenAiModel {
  id: string;
  object: string;
  /** Seconds since the epoch. */
  created: number;
  owned_by: Provider;
}

export interface OpenAiModels {
  object: string;
  data: OpenAiModel[];
}

/** The end of a request, as the client saw it. */
export type Outcome = "ok" | "error" | "cancelled" | "interrupted";

export interface PasswordChange {
  current_password: string;
  new_password: string;
}

/** The period of time a budget is for. Days and months are those of UTC. */
export type Period = "day" | "month" | "total";

/** One planned target, as the record keeps it. */
export interface PlannedStep {
  /** The alias it comes from. */
  alias: string;
  /** The kind of the step. */
  route: Route;
  /** The provider to call. */
  provider: Provider;
  /** The upstream model. */
  model: string;
  /** The reason for the step, in words. */
  reason: string;
}

/** The prices of a model, in dollars per million tokens. `null` means that no price is known. */
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
  usd_per_million: PricesPerMillionWish;
  effective_from?: string | null;
}

export interface PricesPerMillion {
  input: number | null;
  output: number | null;
  cache_read: number | null;
  cache_write_5m: number | null;
  cache_write_1h: number | null;
}

export interface PricesPerMillionWish {
  input: number;
  output: number;
  cache_read?: number | null;
  cache_write_5m?: number | null;
  cache_write_1h?: number | null;
}

/** A company whose models can be called. */
export type Provider = "openai" | "anthropic" | "gemini";

export interface ProviderKey {
  id: ProviderKeyId;
  provider: Provider;
  label: Label | null;
  base_url: BaseUrl | null;
  created_at: string;
  /** The models that have failed, or rest with their key, as this process knows them. */
  targets: TargetHealth[];
}

/** A stored key of a provider. */
export type ProviderKeyId = number;

export interface ProviderKeyPatch {
  label?: string | null;
  api_key?: string | null;
  base_url?: string | null;
}

/** The outcome of a test. */
export interface ProviderTest {
  ok: boolean;
  /** The status that the provider answered with; `None` when it did not answer. */
  status: number | null;
  latency_ms: number;
  message: string;
}

export interface Readiness {
  store: string;
  redis: string;
  journal: string;
  memory: Memory;
}

export interface RerateModel {
  provider: Provider | null;
  model: string | null;
  requests: number;
  before_usd: number | null;
  after_usd: number | null;
}

export interface RerateWish {
  from: string;
  to: string;
  dry_run?: boolean;
}

export interface Rerated {
  models: RerateModel[];
  before_usd: number | null;
  after_usd: number | null;
}

/** The rights of a user. */
export type Role = "user" | "admin";

export interface Rotation {
  grace_hours?: number | null;
}

/** The kind of a step. */
export type Route = "primary" | "light" | "fallback";

export interface RouteAlternative {
  alias: string;
  model: string;
  estimated_cost_usd: number | null;
}

export interface RouteDecision {
  alias: string;
  route: Route;
  provider: Provider;
  model: string;
  input_tokens: number;
  reason: string;
  chain: ChainStep[];
  estimated_cost_usd: number | null;
  alternatives: RouteAlternative[];
}

/** A group of paths that an API key may be used for. */
export type Scope = "proxy" | "manage";

/** A signed-in session. */
export type SessionId = number;

export interface SessionInfo {
  id: SessionId;
  created_at: string;
  last_used_at: string | null;
  expires_at: string;
  /** True for the session of the request itself. */
  current: boolean;
}

export interface SignedIn {
  token: string;
  expires_at: string;
}

export interface TagSeen {
  name: string;
  /** At most 200 values. Those that are summed as `(other)` are not listed. */
  values: string[];
}

/** At most 10 name-value pairs of at most 64 characters each, sorted by name. In JSON an object. */
export type Tags = Record<string, string>;

/** A model of a provider key that has failed. */
export interface TargetHealth {
  model: ModelName;
  state: TargetState;
  /** The end of the rest; null if the target is closed. */
  until: string | null;
  /** The failure that it rests for: a status, `connection` or `timeout`; null if the target is closed. */
  cause: string | null;
}

/** The state of a target. */
export type TargetState = "closed" | "open" | "half_open";

/** Token counts as the API names them. */
export interface Tokens {
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
}

/** The origin of an attempt's numbers, from the surest to the weakest. */
export type UsageSource = "none" | "provider" | "estimated" | "partial" | "unknown";

/** The sums of a group, as they are printed beside its dimensions. The costs are `null` if none is known. `estimated` and what follows it is `null` where the group has requests that are known of by older sums only, which did not have it. */
export interface UsageSums {
  requests: number;
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cost_usd: number | null;
  saved_usd: number;
  errors: number;
  cancelled: number;
  /** Requests whose cost is not known, or not in full, so that `cost_usd` leaves something of them out. */
  cost_incomplete: number;
  /** Requests whose tokens were counted here, since the provider sent no usage. */
  estimated: number | null;
  /** Requests whose stream ended early; their tokens were counted as far as it came. */
  partial: number | null;
  /** Requests that were sent and whose usage is not known. */
  unknown: number | null;
  /** Requests whose `cost_usd` is `null`. They are among those of `cost_incomplete`. */
  unpriced: number | null;
  /** Requests whose process died while they ran. */
  interrupted: number | null;
  /** The milliseconds from the arrival of each request to its end. Divided by `requests` it is their mean. */
  latency_ms_sum: number | null;
  /** The milliseconds from the arrival of a request to its first content byte. Divided by `first_token_count` it is their mean. */
  first_token_ms_sum: number | null;
  /** Requests that had a first content byte. */
  first_token_count: number | null;
  cost_by_class: CostByClass | null;
}

export interface User {
  id: UserId;
  email: Email;
  role: Role;
  disabled: boolean;
  rate_limit_minute: number;
  rate_limit_daily: number;
  /** The budget that administrators have set. The user's own budget is shown to the user alone. */
  budget_usd: number | null;
  budget_period: Period | null;
  /** True if that budget warns and refuses nothing. */
  budget_soft: boolean;
  created_at: string;
}

/** A user: the tenant everything else belongs to. */
export type UserId = number;

export interface UserPage {
  data: User[];
  next_cursor: string | null;
}

export interface UserPatch {
  role?: Role | null;
  disabled?: boolean | null;
  rate_limit_minute?: number | null;
  rate_limit_daily?: number | null;
  budget_usd?: number | null;
  budget_period?: Period | null;
  /** True to have the budget warn and refuse nothing. */
  budget_soft?: boolean | null;
}

export interface Webhook {
  id: WebhookId;
  url: WebhookUrl;
  events: AlertEvent[];
  label: Label | null;
  active: boolean;
  scope: WebhookScope;
  created_at: string;
}

export interface WebhookDelivery {
  id: DeliveryId;
  event_id: string;
  event: string;
  status: DeliveryStatus;
  created_at: string;
  attempts: number;
  last_attempt_at: string | null;
  /** The status that the receiver answered with at last. */
  last_status: number | null;
  last_error: string | null;
  delivered_at: string | null;
  next_attempt_at: string | null;
}

export interface WebhookDeliveryPage {
  data: WebhookDelivery[];
  next_cursor: string | null;
}

/** A webhook: an address that alerts are sent to. */
export type WebhookId = number;

export interface WebhookPatch {
  url?: string | null;
  events?: AlertEvent[] | null;
  label?: string | null;
  active?: boolean | null;
}

/** The events that a webhook is about. */
export type WebhookScope = "own" | "installation";

/** The outcome of a test. */
export interface WebhookTest {
  ok: boolean;
  /** The status that the receiver answered with; `null` when it did not answer. */
  status: number | null;
  latency_ms: number;
  message: string;
}

/** The address that a webhook is sent to: `http` or `https`, a host, no credentials and no fragment. It may have a query, in which some receivers have their token. As with [`BaseUrl`], who saves an address and who connects to it decides about private ones. */
export type WebhookUrl = string;

/** A webhook with its secret, which is shown this once. */
export interface WebhookWithSecret {
  id: WebhookId;
  url: WebhookUrl;
  events: AlertEvent[];
  label: Label | null;
  active: boolean;
  scope: WebhookScope;
  created_at: string;
  /** `whsec_` and the key in base64, as Standard Webhooks has it. */
  secret: string;
}

/** Token counts as the API names them. */
export interface WhatIf {
  requests: number;
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cost_usd: number | null;
  /** Requests whose cost is not known in full, so that `cost_usd` is too low. */
  unpriced: number;
  model: string;
  whatif_cost_usd: number | null;
  /** Requests whose cost on the other model is not known; they are not in `whatif_cost_usd`. */
  whatif_unpriced: number;
}

/** An error, in the shape of OpenAI's. */
export interface Error {
  error: {
    /** The fault, and what can be done. */
    message: string;
    type: string;
    /** A word for programs, as in `invalid_field`. */
    code: string | null;
    /** The field that is wrong, as the client wrote it. */
    param: string | null;
  };
}

/** An error, in the shape of Anthropic's. */
export interface AnthropicError {
  type: "error";
  error: {
    type: string;
    message: string;
  };
  request_id?: string | null;
}

/** An error, in the shape of the API that the client asked for. */
export type AnyError = Error | AnthropicError | GoogleError;

/** An error, in the shape of Google's. */
export interface GoogleError {
  error: {
    code: number;
    message: string;
    status: string;
  };
}
