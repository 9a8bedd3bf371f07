//! The built program, from the outside: every call and every promise of the HTTP contract, against a mock upstream.
//!
//! Each test starts a program of its own on a free port, with a data directory and a mock of its own, so that tests
//! run side by side and none sees another's requests. [`setup`] says what they run on.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod agent_loops;
#[cfg(test)]
mod aliases;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cancelled;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod clock;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod expect;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod generate_content;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod light;
#[cfg(test)]
mod log;
#[cfg(test)]
mod logs;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod lookups;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod otel;
#[cfg(test)]
mod other_hosts;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod passthrough;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod private_authorities;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod service;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod start;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod targets_at_rest;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod translation;
#[cfg(test)]
mod upstream_faults;
#[cfg(test)]
mod usage;
mod web_search;
