//! What clients see when something goes wrong, and what must not go wrong with it.

pub(crate) mod crash;
mod disconnect;
mod provider_errors;
mod request_errors;
mod shutdown;
#[cfg(target_os = "linux")]
mod survival;
