//! reqwest 0.12 as it is, but never with native-tls.
//!
//! The `paimon` crate depends on reqwest with default features, which pulls in native-tls and with it OpenSSL's
//! headers and pkg-config on the user's machine. hoga promises to build with nothing but Rust, so `[patch]` puts
//! this re-export in its place: every feature is on, and TLS is rustls.
pub use real::*;
