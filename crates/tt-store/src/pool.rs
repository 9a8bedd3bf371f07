//! Connection pools, with the same settings for both databases.

use diesel_async::AsyncConnection;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, PoolableConnection};

use crate::config::StoreConfig;
use crate::error::{Result, StoreError};

/// A pool of connections.
pub(crate) type Pool<C> = diesel_async::pooled_connection::deadpool::Pool<C>;

/// A connection on loan from the pool.
pub(crate) type Guard<C> = diesel_async::pooled_connection::deadpool::Object<C>;

/// A pool of at most `size` connections. They are opened when they are needed.
pub(crate) fn build<C>(manager: AsyncDieselConnectionManager<C>, size: usize, config: &StoreConfig) -> Result<Pool<C>>
where
    C: PoolableConnection + AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>:
        deadpool::managed::Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    Pool::builder(manager)
        .max_size(size.max(1))
        .wait_timeout(Some(config.wait))
        .create_timeout(Some(config.wait))
        .recycle_timeout(Some(config.wait))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|e| StoreError::Unavailable(Box::new(e)))
}
