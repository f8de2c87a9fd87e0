//! The API. Its types are its own, mapped from rows of the store, so that what is stored and
//! what is published are free to differ.

pub mod csv;
pub mod v1;
