//! Places for connections: a bounded number in all, and a bounded number for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::state::network::network;

/// A bounded number of places, of which each address gets a bounded part.
pub(super) struct Places {
    free: Arc<Semaphore>,
    most_of_one_address: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place, free again when this is dropped.
pub(super) struct Place {
    _one_of_all: OwnedSemaphorePermit,
    /// The address that the place counts for.
    address: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    pub(super) fn new(all: usize, most_of_one_address: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            most_of_one_address,
            taken: Arc::default(),
        }
    }

    /// Takes a place for a connection from `address`. Returns `None` if there is none left, or if the address has as
    /// many as one may have. If `trusted` is true, the address speaks for many clients and may have all places.
    pub(super) fn take(&self, address: IpAddr, trusted: bool) -> Option<Place> {
        let one_of_all = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = taken.entry(address).or_default();
        // An address without a place is not remembered, so there is an entry only where one is taken or is taken now.
        if *of_address >= self.most_of_one_address && !trusted {
            return None;
        }
        *of_address += 1;
        Some(Place { _one_of_all: one_of_all, address, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_address) = taken.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_a_part_of_the_places_and_they_are_given_back() {
        let places = Places::new(5, 2);
        let [ann, bob, proxy] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let kept = [places.take(ann, false).unwrap(), places.take(ann, false).unwrap()];
        assert!(places.take(ann, false).is_none());
        let others =
            [places.take(bob, false).unwrap(), places.take(proxy, true).unwrap(), places.take(proxy, true).unwrap()];
        assert!(places.take(bob, false).is_none() && places.take(proxy, true).is_none(), "there were five places");
        drop(kept);
        assert!(places.take(ann, false).is_some() && places.take(proxy, true).is_some());
        drop(others);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
