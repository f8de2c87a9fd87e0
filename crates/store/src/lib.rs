//! Keep.
