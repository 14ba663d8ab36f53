//! Host names without the C library, for static binaries.
//!
//! glibc's resolver loads the modules that `/etc/nsswitch.conf` names, and a static binary can't load those of another
//! glibc, or where there is none. There, names are looked up in `/etc/hosts` and asked of the servers in
//! `/etc/resolv.conf`, as resolv.conf(5) says, and nowhere else. A dynamic binary leaves names to the system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name as DnsName, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
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
    system: Arc<OnceCell<System>>,
}

impl Resolve for OwnResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let system = Arc::clone(&self.system);
        Box::pin(async move {
            let system = system.get_or_try_init(|| async { System::read() }).await?;
            let found = system.addresses(name.as_str()).await?;
            // The connector puts the port in place of 0.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// How this system names hosts.
#[derive(Debug)]
struct System {
    hosts: Hosts,
    servers: TokioResolver,
}

impl System {
    /// Reads `/etc/hosts` and `/etc/resolv.conf`; where the latter names no server, it is the one on this machine.
    fn read() -> Result<System, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let config = ResolverConfig::from_name_servers(vec![local]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        // Both, so that a host without a way to IPv6 doesn't wait for it.
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(System { hosts: Hosts::from_system().unwrap_or_default(), servers: builder.build()? })
    }

    /// Finds a host's addresses. No server is asked of a host that the file names, also where it has but one kind of
    /// address there.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NetError> {
        let listed = listed(&self.hosts, name);
        if !listed.is_empty() {
            return Ok(listed);
        }
        Ok(self.servers.lookup_ip(name).await?.iter().collect())
    }
}

/// The addresses that `/etc/hosts` has of a name.
fn listed(hosts: &Hosts, name: &str) -> Vec<IpAddr> {
    let Ok(name) = DnsName::from_utf8(name) else { return Vec::new() };
    let kinds = [RecordType::AAAA, RecordType::A];
    let found =
        kinds.into_iter().filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)));
    let addresses = |lookup: Lookup| -> Vec<IpAddr> {
        lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
    };
    found.flat_map(addresses).collect()
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
    fn a_listed_host_has_the_addresses_that_are_listed() {
        let mut hosts = Hosts::default();
        hosts
            .read_hosts_conf(&b"192.0.2.7 artifacts.example cache\n2001:db8::7 six.example # IPv6\n"[..])
            .unwrap();
        let seven: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(listed(&hosts, "artifacts.example"), [seven]);
        assert_eq!(listed(&hosts, "cache"), [seven]);
        assert_eq!(listed(&hosts, "six.example"), ["2001:db8::7".parse::<IpAddr>().unwrap()]);
        assert_eq!(listed(&hosts, "other.example"), [] as [IpAddr; 0]);
    }

    #[test]
    fn what_is_no_name_is_an_error() {
        assert!(ask(&"a".repeat(300)).is_err());
    }
}
