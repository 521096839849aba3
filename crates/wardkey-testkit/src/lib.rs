//! The conformance table of Wardkey's adapters and its HTTP driver
