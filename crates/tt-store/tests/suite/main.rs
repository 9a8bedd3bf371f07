//! One suite for both databases: every test below runs on SQLite and on PostgreSQL.

/// Runs each of these functions on both databases, each time on an empty one with the tables made.
#[cfg(test)]
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&crate::fixture::Fixture::sqlite().await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&crate::fixture::Fixture::postgres().await).await;
                }
            )*
        }
    };
}

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod aliases;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod provider_keys;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod runtime;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod usage_details;
#[cfg(test)]
mod users;
