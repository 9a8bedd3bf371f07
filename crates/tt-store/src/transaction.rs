//! Transactions around a block of code, on either database.
//!
//! diesel-async takes an async closure instead. Those make rustc 1.95 fail at the second incremental build
//! (rust-lang/rust#154857), and a block may use `?`, `return` and the arguments around it without more ado.

use diesel_async::{AsyncConnection, TransactionManager};

use crate::error::Result;

/// Runs a block in a write transaction on the connection `$c`: committed when it gives `Ok`, else rolled back.
macro_rules! tx {
    ($c:ident, $body:block) => {{
        super::begin($c).await?;
        let result = crate::transaction::run(async { $body }).await;
        crate::transaction::end($c, result).await
    }};
}

/// Runs a block in a read transaction: all its reads see one moment.
macro_rules! snapshot {
    ($c:ident, $body:block) => {{
        super::begin_snapshot($c).await?;
        let result = crate::transaction::run(async { $body }).await;
        crate::transaction::end($c, result).await
    }};
}

/// Tells the compiler the type of the block's result.
pub(crate) async fn run<T>(block: impl Future<Output = Result<T>>) -> Result<T> {
    block.await
}

/// Commits the transaction if `result` is `Ok`, else rolls it back.
pub(crate) async fn end<C: AsyncConnection, T>(c: &mut C, result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => {
            C::TransactionManager::commit_transaction(c).await?;
            Ok(value)
        }
        Err(error) => {
            // If even this fails, the connection counts as broken, and the pool does not lend it again.
            let _ = C::TransactionManager::rollback_transaction(c).await;
            Err(error)
        }
    }
}
