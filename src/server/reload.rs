//! Another configuration for a server at work.

use or_http::Live;

use super::setup::Setup;
use crate::StartError;
use crate::config::{ConfigError, Resolved, restart_wanted};
use crate::wiring;

/// Why a configuration was not taken over. Nothing of it is in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read, or breaks a rule.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What it asks for cannot be made.
    #[error(transparent)]
    Setup(#[from] StartError),
}

/// Takes over what was loaded, and tells log and metrics how that went.
pub(super) async fn reload(
    live: &Live,
    setup: &mut Setup,
    loaded: Result<Resolved, ConfigError>,
) -> Result<Vec<String>, ReloadError> {
    let outcome = take_over(live, setup, loaded).await;
    live.now().node.metrics.config_reloaded(outcome.is_ok());
    match &outcome {
        Ok(restart) if restart.is_empty() => tracing::info!("a new configuration is in force"),
        Ok(restart) => tracing::warn!(
            keys = restart.join(", "),
            "a new configuration is in force, except for keys that want a restart"
        ),
        Err(error) => {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "a new configuration was refused, and the one before stays in force");
        }
    }
    outcome
}

async fn take_over(
    live: &Live,
    setup: &mut Setup,
    loaded: Result<Resolved, ConfigError>,
) -> Result<Vec<String>, ReloadError> {
    let (state, next) = setup.next(loaded?, &live.now())?;
    let (old, new) = (&setup.resolved, &next.resolved);
    for warning in new.warnings() {
        tracing::warn!("{warning}");
    }
    let mut restart = restart_wanted(&old.config, &new.config);
    // How the store shares its room among owners is settled when it is opened.
    if wiring::several(old, 0) != wiring::several(new, 0) {
        restart.push("auth (the store's shares, by whether there are several clients)".into());
    }
    live.replace(state);
    setup.take_over(next, &live.now()).await;
    Ok(restart)
}
