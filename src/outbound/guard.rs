//! Looks names up for guarded calls.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::rules::Rules;

/// The name leads nowhere.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name of the host cannot be resolved")]
pub(super) struct NoAddress;

/// The resolver of the system.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            Ok::<Addrs, _>(Box::new(found.into_iter()))
        })
    }
}

/// Hands out what another resolver finds, if we may call all of it. The connection is made to what is handed out.
pub(super) struct Guard {
    rules: Arc<Rules>,
    inner: Arc<dyn Resolve>,
}

impl Guard {
    pub(super) fn new(rules: Arc<Rules>, inner: Arc<dyn Resolve>) -> Self {
        Self { rules, inner }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        let found = self.inner.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await.map_err(|_| NoAddress)?.collect();
            if found.is_empty() {
                return Err(NoAddress.into());
            }
            // One that is not public is enough: which of them is called is not ours to say.
            for address in &found {
                rules
                    .judge(address.ip())
                    .map_err(Box::<dyn StdError + Send + Sync>::from)?;
            }
            Ok::<Addrs, _>(Box::new(found.into_iter()))
        })
    }
}
