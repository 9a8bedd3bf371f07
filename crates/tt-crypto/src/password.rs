//! Password hashes with argon2id. A hash is slow on purpose, so hashes are computed off the threads that serve
//! requests, and only so many at once.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::random;

/// Memory in KiB, passes, lanes: OWASP's first choice for argon2id (password storage cheat sheet, read 2026-11-23).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The number of hashes that may wait for each one being computed: about a second and a half of work, at 20 ms a hash.
const WAITING_PER_WORKER: usize = 64;

/// The hash that the password of an unknown user is compared with, so that it costs the same as a real comparison. It
/// is the hash of `nobody`; knowing that helps nobody, since the answer is no in any case.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm8gdXNlciwgbm8gc2FsdA$R9t8AEbRvJomaxVnsL5eQFtgYqDSrhdCbKVD2iD/Xh4";

/// Hashes and verifies passwords, a bounded number at once. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Passwords {
    runtime: Handle,
    workers: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// At most `concurrency` (at least 1) hashes at once, 19 MiB each, on the blocking threads of `runtime`, which need
    /// not be the runtime of the callers. Past 64 waiting for each, callers get [`Error::Busy`].
    pub fn new(concurrency: usize, runtime: Handle) -> Self {
        let concurrency = concurrency.clamp(1, 1024);
        Self {
            runtime,
            workers: Arc::new(Semaphore::new(concurrency)),
            places: Arc::new(Semaphore::new(concurrency * (WAITING_PER_WORKER + 1))),
        }
    }

    /// Hashes `password` with a new salt into a PHC string (`$argon2id$…`).
    ///
    /// # Errors
    /// [`Error::Busy`] when too many hashes are waiting, [`Error::Unavailable`] when the system has no memory, thread
    /// or randomness for it.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.work(move || {
            let salt = random::bytes::<16>()?;
            let hash = argon2()?.hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
            Ok(hash.map_err(|_| Error::Unavailable("memory"))?.to_string())
        })
        .await
    }

    /// True if `password` is the one that `phc` was made from. With `None` (there is no such user) the result is false
    /// and takes as long.
    ///
    /// # Errors
    /// [`Error::Tampered`] when `phc` is not a hash of [`Passwords::hash`]; [`Error::Busy`] and [`Error::Unavailable`]
    /// as there.
    pub async fn verify(&self, password: SecretString, phc: Option<&str>) -> Result<bool> {
        let known = phc.is_some();
        let phc = phc.unwrap_or(DUMMY).to_owned();
        self.work(move || {
            let hash = PasswordHash::new(&phc).map_err(|_| Error::Tampered)?;
            // A PHC string may end before these parts; argon2 would answer that the password is wrong.
            if hash.salt.is_none() || hash.hash.is_none() {
                return Err(Error::Tampered);
            }
            match argon2()?.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(_) => Err(Error::Tampered),
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Error::Busy)?;
        // The permits move into the job: if the caller stops waiting, the hash goes on, so it must keep its place.
        let task = self.runtime.spawn_blocking(move || {
            let _held = (place, worker);
            job()
        });
        task.await.map_err(|_| Error::Unavailable("a thread"))?
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| Error::Unavailable("argon2 parameters"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(1, Handle::current())
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_and_no_other() {
        let p = passwords();
        let phc = p.hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(p.verify("correct horse".into(), Some(&phc)).await, Ok(true));
        assert_eq!(p.verify("correct horsf".into(), Some(&phc)).await, Ok(false));
        assert_ne!(phc, p.hash("correct horse".into()).await.unwrap());
    }

    /// An unknown user costs the same because the dummy has the parameters and lengths of a real hash.
    #[tokio::test]
    async fn an_unknown_user_is_refused_at_the_cost_of_a_real_hash() {
        let p = passwords();
        let dummy = PasswordHash::new(DUMMY).unwrap();
        let real = PasswordHash::new(&p.hash("x".into()).await.unwrap()).unwrap();
        assert_eq!((dummy.algorithm, dummy.version, &dummy.params), (real.algorithm, real.version, &real.params));
        let lengths = |h: &PasswordHash| (h.salt.as_ref().unwrap().len(), h.hash.as_ref().unwrap().len());
        assert_eq!(lengths(&dummy), lengths(&real));
        assert_eq!(p.verify("nobody".into(), Some(DUMMY)).await, Ok(true));
        assert_eq!(p.verify("nobody".into(), None).await, Ok(false));
        assert_eq!(p.verify("anything".into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_garbled_hash_in_the_store_is_an_error_and_not_a_wrong_password() {
        for bad in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA", "$md5$AAAA$AAAA"] {
            assert_eq!(passwords().verify("x".into(), Some(bad)).await, Err(Error::Tampered), "{bad}");
        }
    }

    #[tokio::test]
    async fn callers_past_the_queue_are_told_that_it_is_busy() {
        let p = passwords();
        let held = p.places.clone().acquire_many_owned(u32::try_from(1 + WAITING_PER_WORKER).unwrap()).await.unwrap();
        assert_eq!(p.hash("x".into()).await, Err(Error::Busy));
        drop(held);
        assert!(p.hash("x".into()).await.is_ok());
    }

    #[test]
    fn callers_may_live_on_another_runtime() {
        let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let p = Passwords::new(2, control.handle().clone());
        let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(worker.block_on(p.hash("x".into())).is_ok());
    }
}
