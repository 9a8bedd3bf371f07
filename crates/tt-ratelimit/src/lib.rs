//! Request limits and budgets, in memory or shared through Redis.
