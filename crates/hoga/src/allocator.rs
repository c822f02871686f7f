//! The process's allocator: what a checkpoint needed for a moment goes back to the system, and a laptop notices
//! (docs/decisions/0010-allocator.md has the measurements).

#![allow(unsafe_code, reason = "jemalloc looks for its settings under a symbol's name")]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Few arenas, since each keeps free pages of its own; freed pages are given back after a tenth of a second, by a thread of jemalloc's.
/// `MALLOC_CONF` in the environment changes it. C code (zstd, librdkafka, OpenSSL) is served by it too, but for macOS, where jemalloc cannot
/// take malloc's name and looks for its own.
#[used]
#[cfg_attr(not(target_os = "macos"), unsafe(export_name = "malloc_conf"))]
#[cfg_attr(target_os = "macos", unsafe(export_name = "_rjem_malloc_conf"))]
static SETTINGS: &[u8; 69] = b"narenas:4,dirty_decay_ms:100,muzzy_decay_ms:0,background_thread:true\0";
