//! The store's functions for prices that administrators set, and for pricing recorded requests again.

use std::sync::Arc;

use tt_core::UserId;
use tt_core::price::{Override, PriceTable};

use super::{Store, StoreCall};
use crate::audit::Author;
use crate::rerate::{Place, Rerate, Rerated};
use crate::view::{RecordedUsage, UsageScope};

impl Store {
    /// The prices that administrators have set, by model and moment. One that cannot be read is an error, so that no
    /// request is priced by part of the list.
    pub fn price_overrides(&self) -> StoreCall<Vec<Override>> {
        call!(self, read, prices::overrides())
    }

    /// Sets prices for a model; those set for it from the same moment on are replaced. For admins.
    pub fn set_price(&self, new: Override, by: Author) -> StoreCall<()> {
        call!(self, write, prices::set(new, by))
    }

    /// Prices recorded requests of all users again by `prices`, each at its own time; their rows, attempts and sums
    /// change in one transaction. For admins. Steps of some hundred requests are best. A step that is done again
    /// changes nothing.
    pub fn rerate(&self, prices: Arc<PriceTable>, step: Rerate) -> StoreCall<Rerated> {
        call!(self, write, rerate::write(prices, step))
    }

    /// The changes that [`Store::rerate`] would make; nothing is written.
    pub fn rerate_preview(&self, prices: Arc<PriceTable>, step: Rerate) -> StoreCall<Rerated> {
        call!(self, read, rerate::preview(prices, step))
    }

    /// The usage and cost of the user's requests in `scope`, one by one, oldest first, beginning after `after`; at most
    /// `limit`.
    pub fn usage_by_request(
        &self,
        user: UserId,
        scope: UsageScope,
        after: Option<Place>,
        limit: u32,
    ) -> StoreCall<Vec<RecordedUsage>> {
        call!(self, read, whatif::usage_by_request(user, scope, after, limit))
    }
}
