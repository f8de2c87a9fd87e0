//! Show.
