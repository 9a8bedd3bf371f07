/** The errors that clients meet, and what to do about each. */
export const ERRORS: readonly { status: string; codes: string; remedy: string }[] = [
  {
    status: "400",
    codes: "invalid_json, missing_field, invalid_field",
    remedy: "Mend the field that the message names.",
  },
  { status: "400", codes: "context_length_exceeded", remedy: "Send less, or choose a model that reads more." },
  {
    status: "400",
    codes: "model_unpriced",
    remedy: "Under a budget, a model needs a price: ask an administrator to set one.",
  },
  {
    status: "401",
    codes: "missing_credentials, invalid_credentials",
    remedy: "Send an API key that is neither revoked nor ended.",
  },
  { status: "403", codes: "alias_not_allowed, forbidden", remedy: "The key may not do this: use another one." },
  {
    status: "400",
    codes: "unsupported_parameter",
    remedy: "No target can do what the field asks for: leave it out, or ask for another model.",
  },
  { status: "404", codes: "model_not_found", remedy: "Name an alias of yours, or provider/model." },
  { status: "429", codes: "rate_limit_exceeded", remedy: "Wait for the seconds in retry-after." },
  { status: "413", codes: "body_too_large", remedy: "Send less in one request." },
  {
    status: "429",
    codes: "upstream_rate_limited",
    remedy: "The provider's own limit: wait for retry-after, or give the alias a fallback.",
  },
  { status: "429", codes: "budget_exceeded", remedy: "Raise the budget, or wait until it begins anew." },
  {
    status: "502, 504",
    codes: "all_attempts_failed, upstream_timeout",
    remedy: "Every target failed: the message and the log name each attempt.",
  },
  {
    status: "503",
    codes: "overloaded, draining, store_unavailable, limits_unavailable",
    remedy: "Try again after the seconds in retry-after.",
  },
];
