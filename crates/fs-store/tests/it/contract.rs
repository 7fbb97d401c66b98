//! The contract of EventCore, as it publishes it.

use eventcore_testing::contract::backend_contract_tests;

backend_contract_tests! {
    suite = files,
    make_store = crate::support::new_store,
    make_checkpoint_store = crate::support::new_store,
    make_coordinator = crate::support::new_store,
}
