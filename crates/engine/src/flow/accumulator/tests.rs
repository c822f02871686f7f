//! Accumulators against naive results.
