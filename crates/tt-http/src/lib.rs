#![doc = include_str!("../README.md")]

mod auth;
mod background;
mod clock;
mod config;
mod edge;
#[cfg(test)]
mod fixtures;
mod gemini_models;
mod health;
mod key;
mod manage;
mod metrics;
mod model_list;
mod models;
mod openapi;
mod pages;
mod proxy;
mod responses;
mod route;
mod routes;
mod server;
mod service;
mod state;
mod webhook_call;

pub use auth::new_password::{PasswordFault, check_password};
pub use clock::now;
pub use config::{HttpConfig, UpstreamConfig};
pub use routes::openapi_document;
pub use server::tls::{Certificate, CertificateFault, Tls};
pub use server::{ServerError, serve};
pub use state::alerts::Alerts;
pub use state::app::{App, Parts};
pub use state::budget_accounts::BudgetAccounts;
pub use state::sealing::{reseal, reseal_webhook};
