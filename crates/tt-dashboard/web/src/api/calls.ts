// Every call of the API that the dashboard makes, with its types.

import { call } from "./client";
import type { Exact } from "./exact";
import type * as Api from "./types";

type Signal = AbortSignal | undefined;
const id = encodeURIComponent;

export const auth = {
  signUp: (body: Api.Credentials) => call<{ id: number }>("POST", "/auth/signup", { body }),
  signIn: (body: Api.Credentials) => call<Api.SignedIn>("POST", "/auth/login", { body }),
  signOut: () => call<null>("POST", "/auth/logout"),
  me: (signal?: Signal) => call<Api.Me>("GET", "/auth/me", { signal }),
  sessions: (signal?: Signal) => call<Api.SessionInfo[]>("GET", "/auth/sessions", { signal }),
  endSession: (session: number) => call<null>("DELETE", `/auth/sessions/${session}`),
  changePassword: (body: Api.PasswordChange) => call<null>("POST", "/auth/password", { body }),
};

export const apiKeys = {
  list: (signal?: Signal) => call<Api.ApiKey[]>("GET", "/auth/keys", { signal }),
  create: (body: Exact<Api.NewApiKey>) => call<Api.CreatedApiKey>("POST", "/auth/key", { body }),
  rotate: (key: number, graceHours: number) =>
    call<Api.CreatedApiKey>("POST", `/auth/keys/${key}/rotate`, { body: { grace_hours: graceHours } }),
  revoke: (key: number) => call<null>("DELETE", `/auth/keys/${key}`),
  standing: (signal?: Signal) => call<Api.KeyStanding>("GET", "/v1/key", { signal }),
};

export const providerKeys = {
  list: (signal?: Signal) => call<Api.ProviderKey[]>("GET", "/manage/providers", { signal }),
  create: (body: Api.NewProviderKey) => call<Api.ProviderKey>("POST", "/manage/providers", { body }),
  update: (key: number, body: Api.ProviderKeyPatch) =>
    call<Api.ProviderKey>("PATCH", `/manage/providers/${key}`, { body }),
  remove: (key: number) => call<null>("DELETE", `/manage/providers/${key}`),
  test: (key: number) => call<Api.ProviderTest>("POST", `/manage/providers/${key}/test`),
  models: (key: number, signal?: Signal) => call<string[]>("GET", `/manage/providers/${key}/models`, { signal }),
};

/** A chat completion, as far as the dashboard asks for its route. */
interface RouteQuestion {
  model: string;
  messages: { role: "system" | "user"; content: string }[];
  max_tokens?: number;
}

export const aliases = {
  list: (signal?: Signal) => call<Api.Alias[]>("GET", "/manage/aliases", { signal }),
  create: (body: Api.AliasWish) => call<Api.Alias>("POST", "/manage/aliases", { body }),
  update: (name: string, body: Partial<Api.AliasWish>) =>
    call<Api.Alias>("PATCH", `/manage/aliases/${id(name)}`, { body }),
  remove: (name: string) => call<null>("DELETE", `/manage/aliases/${id(name)}`),
  route: (body: RouteQuestion) => call<Api.RouteDecision>("POST", "/manage/route", { body }),
};

export interface Span {
  from: string;
  to: string;
}

export type UsageRow = Exact<Api.UsageSums> & Record<string, string | number | bigint | object | null>;

/** The values that requests must have, by the names of the filters. An empty value: requests that have none. */
export type Filters = ReadonlyMap<string, string>;

interface PageOf {
  limit: number;
  cursor?: string | undefined;
}

export const ledger = {
  usage: (span: Span, groupBy: readonly string[], tz: string, filters: Filters, signal?: Signal) =>
    call<Api.UsageSums[]>("GET", "/manage/usage", {
      query: { ...span, tz, group_by: groupBy.join(","), ...Object.fromEntries(filters) },
      signal,
    }) as Promise<UsageRow[]>,
  tags: (span: Span, signal?: Signal) => call<Api.TagSeen[]>("GET", "/manage/tags", { query: { ...span }, signal }),
  logs: (span: Span, page: PageOf, filters: Filters, signal?: Signal) =>
    call<Api.LogPage>("GET", "/manage/logs", { query: { ...span, ...page, ...Object.fromEntries(filters) }, signal }),
  request: (request: string, signal?: Signal) => call<Api.LogDetail>("GET", `/manage/logs/${id(request)}`, { signal }),
  gaps: (span: Span, filters: Filters, signal?: Signal) =>
    call<Api.Gaps>("GET", "/manage/ledger/gaps", { query: { ...span, ...Object.fromEntries(filters) }, signal }),
  /** `model` is the other model; a filter by model has another name here. */
  whatIf: (span: Span, model: string, filters: Filters, signal?: Signal) =>
    call<Api.WhatIf>("GET", "/manage/whatif", {
      query: {
        ...span,
        ...Object.fromEntries([...filters].map(([name, value]) => [name === "model" ? "recorded_model" : name, value])),
        model,
      },
      signal,
    }),
};

export const budgets = {
  show: (signal?: Signal) => call<Api.Budgets>("GET", "/manage/budgets", { signal }),
  set: (body: Exact<Api.BudgetWish>) => call<Api.Budgets>("PUT", "/manage/budgets", { body }),
};

export const webhooks = {
  list: (signal?: Signal) => call<Api.Webhook[]>("GET", "/manage/webhooks", { signal }),
  create: (body: Api.NewWebhook) => call<Api.WebhookWithSecret>("POST", "/manage/webhooks", { body }),
  update: (webhook: number, body: Api.WebhookPatch) =>
    call<Api.Webhook>("PATCH", `/manage/webhooks/${webhook}`, { body }),
  remove: (webhook: number) => call<null>("DELETE", `/manage/webhooks/${webhook}`),
  rotate: (webhook: number) => call<Api.WebhookWithSecret>("POST", `/manage/webhooks/${webhook}/rotate`),
  test: (webhook: number) => call<Api.WebhookTest>("POST", `/manage/webhooks/${webhook}/test`),
  deliveries: (webhook: number, signal?: Signal) =>
    call<Api.WebhookDeliveryPage>("GET", `/manage/webhooks/${webhook}/deliveries`, { query: { limit: 100 }, signal }),
  redeliver: (webhook: number, delivery: number) =>
    call<Api.WebhookDelivery>("POST", `/manage/webhooks/${webhook}/deliveries/${delivery}/redeliver`),
};

export const prices = {
  list: (signal?: Signal) => call<Api.PriceList>("GET", "/manage/prices", { signal }),
  set: (provider: string, model: string, body: Exact<Api.PriceWish>) =>
    call<Api.Price>("PUT", `/manage/prices/${provider}/${id(model)}`, { body }),
  rerate: (body: Api.RerateWish) => call<Api.Rerated>("POST", "/manage/prices/rerate", { body }),
};

export const admin = {
  users: (cursor: string | undefined, signal?: Signal) =>
    call<Api.UserPage>("GET", "/manage/users", { query: { limit: 100, cursor }, signal }),
  updateUser: (user: number, body: Exact<Api.UserPatch>) => call<Api.User>("PATCH", `/manage/users/${user}`, { body }),
  audit: (cursor: string | undefined, signal?: Signal) =>
    call<Api.AuditPage>("GET", "/manage/audit", { query: { limit: 100, cursor }, signal }),
};
