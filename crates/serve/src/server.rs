//! Listening, connections, and their end.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::ServeError;
use crate::guard::Local;
use crate::host::Hosts;
use crate::options::{Limits, Options};
use crate::public::PublicUrl;
use crate::site::{Site, router};
use crate::source::Source;
use crate::stall::Stalling;

/// Most threads that read from the store at once.
const READERS: usize = 32;

/// The largest head of a request, and most headers in it.
const LARGEST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 64;

/// The pause before the next try where no connection can be taken, because all file descriptors are in use.
const BREATH: Duration = Duration::from_millis(100);

/// A server that listens, and answers as soon as it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    runtime: Runtime,
    router: Router,
    limits: Limits,
}

impl Server {
    /// Listens on an address. `on_problem` is told of failures that no client should be told of in full, from any
    /// thread.
    pub fn bind(
        source: Source,
        options: &Options,
        on_problem: impl Fn(&ServeError) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let public = options.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let mut hosts = Hosts::new(&options.hosts)?;
        if let Some(public) = &public {
            hosts.add(public.host());
        }
        let bad = |source| ServeError::BadAddress { address: options.listen.clone(), source };
        let addresses: Vec<SocketAddr> = options.listen.to_socket_addrs().map_err(bad)?.collect();
        let address = *addresses.first().ok_or_else(|| bad(io::ErrorKind::NotFound.into()))?;
        if options.token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(ServeError::Open { address });
        }
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(READERS)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(|source| ServeError::Start { source })?;
        let limits = options.limits.clone();
        let site =
            Site::new(source, hosts, public, options.token.clone(), limits.clone(), Arc::new(on_problem));
        Ok(Self { listener, address, runtime, router: router(Arc::new(site)), limits })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its first page, as a person on this machine opens it.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let loopback =
                if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        format!("http://{address}/")
    }

    /// Answers until SIGINT or SIGTERM comes; then running downloads have a moment to end. `ready` is called once, as soon
    /// as these signals are waited for.
    pub fn run(self, ready: impl FnOnce()) -> Result<(), ServeError> {
        let (mut interrupt, mut terminate) = {
            let _inside = self.runtime.enter();
            let on = |kind| signal(kind).map_err(|source| ServeError::Start { source });
            (on(SignalKind::interrupt())?, on(SignalKind::terminate())?)
        };
        ready();
        self.run_until(async move {
            select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        })
    }

    fn run_until(self, end: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { listener, runtime, router, limits, .. } = self;
        let outcome = runtime.block_on(async {
            let listener =
                tokio::net::TcpListener::from_std(listener).map_err(|source| ServeError::Start { source })?;
            accept(listener, router, &limits, end).await;
            Ok(())
        });
        // A thread that still reads from a store can't be stopped, and has nobody to read for.
        runtime.shutdown_background();
        outcome
    }
}

/// Takes connections until `end`, and then waits for those that are being answered.
async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    limits: &Limits,
    end: impl Future<Output = ()>,
) {
    let most = u32::try_from(limits.connections.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(most as usize));
    let (ending, ended) = watch::channel(());
    let mut end = pin!(end);
    loop {
        let next = async {
            // Who finds no place waits in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = select! { () = &mut end => break, next = next => next };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), limits.clone(), ended.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(_) => sleep(BREATH).await,
        }
    }
    drop(listener);
    drop(ended);
    // Nobody listens any more where no connection is left.
    let _ = ending.send(());
    let _ = timeout(limits.farewell, places.acquire_many(most)).await;
}

/// Answers the requests of one connection. What goes wrong with it is the client's affair.
async fn connection(stream: TcpStream, router: Router, limits: Limits, mut ending: watch::Receiver<()>) {
    let Ok(local) = stream.local_addr() else { return };
    // The end of an answer must not wait for the client's acknowledgement of its beginning.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(Local(local))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(Stalling::new(stream, limits.stall)), service);
    let mut connection = pin!(connection);
    let mut told = false;
    loop {
        select! {
            _ = connection.as_mut() => return,
            _ = ending.changed(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
