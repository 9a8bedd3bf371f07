//! The ledger: intent, attempts, settlement, and the drain that moves them to the store.
