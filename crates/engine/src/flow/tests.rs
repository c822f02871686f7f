//! Small graphs, by hand.
