//! Golden ledgers and properties of grading.
