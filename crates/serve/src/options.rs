//! What a caller can set about the server.

use std::time::Duration;

use crate::token::AccessToken;

/// Where to listen, and whom to answer.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on, as `ADDRESS:PORT`; port 0 takes a free one.
    pub listen: String,
    /// What every request must hold, if anything. Without it, only loopback addresses are listened on.
    pub token: Option<AccessToken>,
    /// Names by which clients may call this server, besides its address and `localhost`.
    pub hosts: Vec<String>,
    /// The address by which clients reach the first page, where a proxy stands before this server: lists say it, and its name
    /// is one of ours. `X-Forwarded-*` says nothing to this server.
    pub public_url: Option<String>,
    /// What a client may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            token: None,
            hosts: Vec::new(),
            public_url: None,
            limits: Limits::default(),
        }
    }
}

/// What a client may cost. There is no limit on a whole download, only on silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are served at once; further ones wait until one ends.
    pub connections: usize,
    /// How long a client may take for the head of a request, from the connection or the last answer on.
    pub head: Duration,
    /// How long the store may take until an answer begins.
    pub answer: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
    /// How long running downloads may go on when the server is told to end.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            farewell: Duration::from_secs(5),
        }
    }
}
