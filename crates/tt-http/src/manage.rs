//! The handlers of `/manage`, a file a resource.

pub(crate) mod aliases;
pub(crate) mod audit;
pub(crate) mod budgets;
pub(crate) mod decision;
pub(crate) mod gaps;
pub(crate) mod logs;
pub(crate) mod model_lists;
pub(crate) mod prices;
pub(crate) mod providers;
pub(crate) mod tags;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod webhooks;
pub(crate) mod whatif;
