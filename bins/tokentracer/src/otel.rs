//! OpenTelemetry: the settings, and the work that sends spans and metrics. It can be left out of the program (the cargo
//! feature `otel`); a setting that asks for it stops the start then.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod exports;
#[cfg(feature = "otel")]
mod lists;
#[cfg(feature = "otel")]
mod settings;

#[cfg(feature = "otel")]
pub(crate) use tt_otel::Config;

#[cfg(not(feature = "otel"))]
pub(crate) use self::absent::{Config, Exports, read};
#[cfg(feature = "otel")]
pub(crate) use self::exports::Exports;
#[cfg(feature = "otel")]
pub(crate) use self::settings::read;
