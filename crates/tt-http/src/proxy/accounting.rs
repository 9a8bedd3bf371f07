//! What a request costs: the price of each attempt, and counts where a provider reported no usage.

pub(crate) mod estimate;
pub(crate) mod meter;
