//! Names to addresses, of which the forbidden are left out. The connection is made to what comes out of here and
//! to nothing else, so an answer that changes between check and use (DNS rebinding) changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::Reach;

/// All addresses of a name are out of reach.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("its name leads to addresses that may not be reached")]
pub struct OutOfReach;

/// The resolver of the operating system.
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A resolver that hands out what `reach` allows.
pub struct Guarded {
    /// How far may be reached.
    pub reach: Reach,
    /// Who knows the names.
    pub names: Arc<dyn Resolve>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, self.names.resolve(name));
        Box::pin(async move {
            let allowed: Vec<SocketAddr> = found.await?.filter(|found| reach.allows(found.ip())).collect();
            if allowed.is_empty() {
                return Err(OutOfReach.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
