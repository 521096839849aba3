//! Verify Wardkey API keys in poem and poem-openapi
