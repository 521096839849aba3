//! Verify Wardkey API keys in axum
