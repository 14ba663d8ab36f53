//! Host names without the C library, for static binaries.
//!
//! glibc's resolver loads the modules that `/etc/nsswitch.conf` names, and a static binary can't load those of another
//! glibc, or where there is none. There, names are looked up in `/etc/hosts` and asked of the servers in
//! `/etc/resolv.conf`, as resolv.conf(5) says, and nowhere else. A dynamic binary leaves names to the system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

/// Gives a client the resolver that this build needs.
pub(crate) fn with_resolver(builder: ClientBuilder) -> ClientBuilder {
    if cfg!(target_feature = "crt-static") {
        builder.dns_resolver(Arc::new(OwnResolver::default()))
    } else {
        builder
    }
}

/// Reads the system's settings when the first name is asked for: most runs name no host.
#[derive(Debug, Default)]
struct OwnResolver {
    resolver: Arc<OnceCell<TokioResolver>>,
}

impl Resolve for OwnResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            let resolver = resolver.get_or_try_init(|| async { of_system() }).await?;
            let found = resolver.lookup_ip(name.as_str()).await?;
            // The connector puts the port in place of 0.
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A resolver by `/etc/resolv.conf`, or by the server on this machine where that names none.
fn of_system() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = ResolverConfig::from_name_servers(vec![local]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    });
    // Both, so that a host without a way to IPv6 doesn't wait for it.
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a name as the client's connector does.
    fn ask(name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolver = OwnResolver::default();
        let found = runtime.block_on(resolver.resolve(name.parse().unwrap()));
        found.map(Iterator::collect)
    }

    #[test]
    fn this_machine_needs_no_server() {
        let found = ask("localhost").unwrap();
        assert!(found.contains(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0))), "{found:?}");
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }

    #[test]
    fn what_is_no_name_is_an_error() {
        assert!(ask(&"a".repeat(300)).is_err());
    }
}
