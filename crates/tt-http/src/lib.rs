//! The HTTP service on raw hyper: routes, errors, and the life of a request.
//!
//! **Invariant:** only this crate knows HTTP statuses towards clients, and only `error` chooses one.

mod answer;
mod app;
mod buffered;
mod client_address;
mod config;
mod context;
mod directory;
mod error;
mod json;
mod last_used;
mod model_lists;
mod prices;
mod proxy;
mod reply;
mod routes;
mod sealing;
mod server;
mod silence;
mod spending;
mod throttle;
mod upkeep;

pub use app::{App, Parts};
pub use config::{HttpConfig, UpstreamConfig};
pub use sealing::reseal;
pub use server::{ServerError, serve};
pub use spending::Spending;
