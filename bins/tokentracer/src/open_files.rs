//! The limit of open files, of which every connection takes one or two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are kept from connections: for the journal, the database, Redis, and connections that are told that there
/// are too many.
const SET_ASIDE: u64 = 256;

/// Raises the limit of open files to the highest that this process may set, and returns it; `None`: there is no limit.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            limit.current
        }
    }
}

/// The part of `connections` that fits a limit of open files. Each may have a connection to a provider besides.
pub(crate) fn fitting(connections: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return connections };
    let for_connections = limit - SET_ASIDE.min(limit / 2);
    usize::try_from(for_connections / 2).unwrap_or(usize::MAX).clamp(1, connections.max(1))
}

/// As [`fitting`], with a warning where not all of them fit.
pub(crate) fn fit(connections: usize, limit: Option<u64>) -> usize {
    let fitting = fitting(connections, limit);
    if let Some(limit) = limit
        && fitting < connections
    {
        tracing::warn!(
            "MAX_CONNECTIONS: {connections} connections may need {} open files, and this process may have {limit} \
             (ulimit -n): at most {fitting} are served at a time",
            (connections as u64).saturating_mul(2).saturating_add(SET_ASIDE)
        );
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(fitting(10_000, None), 10_000);
        assert_eq!(fitting(10_000, Some(1 << 20)), 10_000);
        assert_eq!(fitting(10_000, Some(20_256)), 10_000);
        assert_eq!(fitting(10_000, Some(20_254)), 9_999);
        assert_eq!(fitting(10_000, Some(1024)), 384);
        assert_eq!(fitting(10_000, Some(128)), 32);
        assert_eq!(fitting(10_000, Some(0)), 1);
    }
}
